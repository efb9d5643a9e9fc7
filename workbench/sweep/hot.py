"""Times of records from samples, and the second, hot one beside a record's own."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.measure.clock_cpu import has_hot
from workbench.measure.interleave import Series, interleave
from workbench.measure.variant_timer import Facts
from workbench.statistics.intervals import median_interval
from workbench.store.record import HotTime, Time
from workbench.sweep.disturbance import disturbance_of
from workbench.sweep.presets import Budget
from workbench.sweep.variant_process import VariantProcess

HOT_SHARE = 0.5
"""Of the stop rule's times: what the hot figure gets of them."""


@dataclass
class Hot:
    """A process whose data stays in the caches."""

    process: VariantProcess

    def samples(self, seconds: float) -> list[float]:
        return self.process.hot_samples(seconds)


def time_hot(processes: Sequence[VariantProcess], budget: Budget, seed: int) -> list[Series | None]:
    """A series for each, of data in the caches, in turn and in half the time of the first figure. None where a
    set is larger than the caches, and on a GPU."""
    if not processes or processes[0].device != "cpu" or not has_hot(processes[0].working_set_bytes):
        return [None] * len(processes)
    rule = budget.rule
    shorter = dataclasses.replace(
        rule, min_seconds=HOT_SHARE * rule.min_seconds, cap_seconds=HOT_SHARE * rule.cap_seconds
    )
    found = [Series(process.candidate.key, Hot(process)) for process in processes]
    interleave(found, shorter, budget.block_s, seed, disturbed=_disturbed)
    return list(found)


def _disturbed(series: Series) -> bool:
    assert isinstance(series.sampler, Hot)
    return bool(series.sampler.process.hot_surroundings[-1].disturbances())


def hot_of(series: Series | None, facts: Facts) -> HotTime | None:
    """What a record keeps of a hot series."""
    if series is None or not series.samples_s:
        return None
    assert isinstance(series.sampler, Hot)
    return HotTime(
        time=time_of(series.samples_s, series.stopped_by or "time_cap", dataclasses.replace(facts, cache="hot")),
        samples_s=series.samples_s,
        disturbance=disturbance_of(series.sampler.process.hot_surroundings, series.kept),
    )


def time_of(samples: list[float], stopped_by: str, facts: Facts) -> Time:
    low, high = median_interval(samples)
    return Time(
        median_s=statistics.median(samples),
        low_s=low,
        high_s=high,
        minimum_s=min(samples),
        count=len(samples),
        stopped_by=stopped_by,
        **dataclasses.asdict(facts),
    )
