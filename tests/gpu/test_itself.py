"""A/A: the same variant against itself, twenty times, by the clock and the verdict that a sweep uses."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.catalog import load_catalog
from workbench.declare import Shape
from workbench.execute.bind import bind_variant
from workbench.measure.interleave import Series, interleave
from workbench.statistics.intervals import ratio_interval
from workbench.statistics.verdict import judge
from workbench.sweep.presets import PRESETS

PAIRS = 20
SHAPE = Shape.of(B=4, T=2048, H=1024)
"""Well past launch overhead, and larger with its sets than any L2 cache."""


class Local:
    """What is timed in this process: a variant, bound and timed."""

    def __init__(self, key: str) -> None:
        from workbench.measure.clock_cuda import CudaClock

        catalog = load_catalog()
        variant = catalog.variant(key)
        self._bound = bind_variant(
            variant, catalog.operation(variant.operation_key), SHAPE, variant.default_settings(), "cuda", sets=3
        )
        self._clock: Any = CudaClock(self._bound, launches=1)
        self._clock.warm_up(0.05)

    def samples(self, seconds: float) -> list[float]:
        self._clock.settle()
        taken: list[float] = self._clock.samples(seconds)
        return taken


@pytest.mark.parametrize("key", ("scan/serial", "scan/ring"))
def test_twenty_pairs_yield_no_false_verdict(key: str) -> None:
    effort = PRESETS["gpu"]
    one, other = Local(key), Local(key)

    def pair(seed: int) -> tuple[list[float], list[float]]:
        all_series = [Series("a", one), Series("b", other)]
        interleave(all_series, effort.rule, effort.block_s, seed)
        assert all(c.failure is None for c in all_series)
        return all_series[0].samples_s, all_series[1].samples_s

    # The floor as a sweep has it: one pair of its own, the farthest that its interval reaches from 1.
    floor = max(abs(edge - 1) for edge in ratio_interval(*pair(seed=PAIRS)))
    verdicts = [judge(*pair(seed), noise_floor=floor) for seed in range(PAIRS)]
    false = [v for v in verdicts if v.word in ("faster", "slower")]
    assert not false, (floor, false)
    assert all(v.ratio == pytest.approx(1, abs=0.02) for v in verdicts)
