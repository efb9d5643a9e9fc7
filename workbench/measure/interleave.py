"""Times several variants against each other: short blocks of each in turn, in random order and back again.

Machines drift (heat, neighbours, page placement). Variants timed one after the other meet different machines;
interleaved in ABBA order they meet the same one, and the drift cancels in their ratios.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from workbench.execute.failures import FAILURES
from workbench.measure.stopping import StopRule


class Sampler(Protocol):
    """Whatever yields a block of samples when asked: a variant in a worker."""

    def samples(self, seconds: float) -> list[float]: ...


@dataclass
class Series:
    """One variant being timed."""

    name: str
    sampler: Sampler
    samples_s: list[float] = field(default_factory=list)
    spent_s: float = 0.0
    """Wall time of all blocks: a sample of a short kernel is a mean of many evaluations, so samples do not add up."""
    stopped_by: str | None = None
    failure: Exception | None = None
    reference: bool = False
    """Goes on for as long as anybody does: the baseline, which all are compared with."""
    kept: list[bool] = field(default_factory=list)
    """Of each block whether its samples count; those that do not were disturbed and taken again."""
    set_aside_s: float = 0.0
    """Wall time of the blocks whose samples do not count."""

    @property
    def running(self) -> bool:
        return self.stopped_by is None and self.failure is None


def interleave(
    all_series: list[Series],
    rule: StopRule,
    block_s: float = 0.02,
    seed: int = 0,
    on_block: Callable[[Series, list[float], float], None] | None = None,
    disturbed: Callable[[Series], bool] = lambda series: False,
) -> None:
    """Samples every series until its rule fires; failures are kept with the series and end only it.

    `on_block` is told of every block that counts as it comes, so that a crash of the coordinator loses at most one.
    `disturbed`: whether the block that a series has just given was. Such a block is set aside and taken again, for
    as long as the rule's cap on top; after that it counts as the others do.
    """
    order = random.Random(seed)
    for series in all_series:
        series.stopped_by = rule.verdict(series.samples_s, series.spent_s) if series.samples_s else None
    while any(c.running and not c.reference for c in all_series) or any(c.running for c in all_series):
        others_running = any(c.running and not c.reference for c in all_series)
        turn = [c for c in all_series if c.failure is None and (c.running or (c.reference and others_running))]
        order.shuffle(turn)
        for series in (*turn, *reversed(turn)):
            if series.failure is not None:
                continue
            if series.stopped_by == "time_cap" and series.reference and len(series.samples_s) >= 30:
                continue
            start = time.perf_counter()
            try:
                block = series.sampler.samples(block_s)
            except FAILURES as failure:
                series.failure = failure
                continue
            spent = time.perf_counter() - start
            again = disturbed(series) and series.set_aside_s + spent <= rule.cap_seconds
            series.kept.append(not again)
            if again:
                series.set_aside_s += spent
                continue
            series.samples_s += block
            series.spent_s += spent
            if on_block is not None:
                on_block(series, block, spent)
            series.stopped_by = series.stopped_by or rule.verdict(series.samples_s, series.spent_s)
