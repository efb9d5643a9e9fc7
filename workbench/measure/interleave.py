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
    """Whatever yields a block of samples when asked: a worker's station."""

    def samples(self, seconds: float) -> list[float]: ...


@dataclass
class Contender:
    """One variant being timed."""

    name: str
    sampler: Sampler
    samples_s: list[float] = field(default_factory=list)
    spent_s: float = 0.0
    """Wall time of all blocks: a sample of a short kernel is a mean of many evaluations, so samples do not add up."""
    stopped_by: str | None = None
    failure: Exception | None = None
    opponent: bool = False
    """Goes on for as long as anybody does: the baseline, which all are compared with."""
    kept: list[bool] = field(default_factory=list)
    """Of each block whether its samples count; those that do not were disturbed and taken again."""
    set_aside_s: float = 0.0
    """Wall time of the blocks whose samples do not count."""

    @property
    def running(self) -> bool:
        return self.stopped_by is None and self.failure is None


def interleave(
    contenders: list[Contender],
    rule: StopRule,
    block_s: float = 0.02,
    seed: int = 0,
    on_block: Callable[[Contender, list[float], float], None] | None = None,
    disturbed: Callable[[Contender], bool] = lambda contender: False,
) -> None:
    """Samples every contender until its rule fires; failures are kept with the contender and end only it.

    `on_block` is told of every block that counts as it comes, so that a crash of the coordinator loses at most one.
    `disturbed`: whether the block that a contender has just given was. Such a block is set aside and taken again, for
    as long as the rule's cap on top; after that it counts as the others do.
    """
    order = random.Random(seed)
    for contender in contenders:
        contender.stopped_by = rule.verdict(contender.samples_s, contender.spent_s) if contender.samples_s else None
    while any(c.running and not c.opponent for c in contenders) or any(c.running for c in contenders):
        others_running = any(c.running and not c.opponent for c in contenders)
        turn = [c for c in contenders if c.failure is None and (c.running or (c.opponent and others_running))]
        order.shuffle(turn)
        for contender in (*turn, *reversed(turn)):
            if contender.failure is not None:
                continue
            if contender.stopped_by == "time_cap" and contender.opponent and len(contender.samples_s) >= 30:
                continue
            start = time.perf_counter()
            try:
                block = contender.sampler.samples(block_s)
            except FAILURES as failure:
                contender.failure = failure
                continue
            spent = time.perf_counter() - start
            again = disturbed(contender) and contender.set_aside_s + spent <= rule.cap_seconds
            contender.kept.append(not again)
            if again:
                contender.set_aside_s += spent
                continue
            contender.samples_s += block
            contender.spent_s += spent
            if on_block is not None:
                on_block(contender, block, spent)
            contender.stopped_by = contender.stopped_by or rule.verdict(contender.samples_s, contender.spent_s)
