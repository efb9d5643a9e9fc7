"""The CPU clock: cold data is flushed before every evaluation or rotated past the caches, hot data stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.measure import clock_cpu, flush
from workbench.measure.clock_cpu import CpuClock, has_hot, is_flushed
from workbench.measure.flush import flusher


class Steps:
    """A bound plan that notes what happens to it."""

    sets = 3

    def __init__(self) -> None:
        self.log: list[str] = []

    def run(self, index: int = 0) -> None:
        self.log.append(f"run {index}")

    def memory(self, index: int = 0) -> list[tuple[int, int]]:
        return [(4096 * (index + 1), 64)]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    made = Steps()
    monkeypatch.setattr(clock_cpu, "last_cache_bytes", lambda: 1000)
    monkeypatch.setattr(clock_cpu, "cache_bytes", lambda: {"L1": 100, "L2": 200, "L3": 1000})
    monkeypatch.setattr(
        clock_cpu, "flusher", lambda: lambda regions: made.log.append(f"flush {regions[0][0] // 4096 - 1}")
    )
    return made


def test_a_small_set_is_flushed_before_each_of_its_evaluations(steps: Steps) -> None:
    clock = CpuClock(steps, working_set_bytes=300)  # type: ignore[arg-type]
    clock.repeats = 2
    assert len(clock.samples(0.0)) == 1 and clock.cache == "cold" and clock.flushing_s > 0
    assert steps.log == ["flush 0", "run 0", "flush 1", "run 1"]


def test_flushing_takes_its_part_of_a_sample(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations of a microsecond would else be flushed two hundred times for one sample."""
    clock = CpuClock(steps, working_set_bytes=300)  # type: ignore[arg-type]
    monkeypatch.setattr(clock, "_once", lambda: 1e-6)
    monkeypatch.setattr(clock, "_once_flushed", lambda: 99e-6)
    clock.warm_up(0.0)
    assert (clock.repeats, clock.hot_repeats) == (2, 200)


def test_sets_that_pass_the_caches_put_each_other_out(steps: Steps) -> None:
    clock = CpuClock(steps, working_set_bytes=1400)  # type: ignore[arg-type]
    clock.repeats = 4
    clock.samples(0.0)
    assert clock.cache == "rotated" and steps.log == ["run 0", "run 1", "run 2", "run 0"] and clock.flushing_s == 0
    assert is_flushed(1300, 3) and not is_flushed(1334, 3)
    assert has_hot(1300) and not has_hot(1301) and not has_hot(0)


def test_a_hot_sample_goes_over_one_set_and_flushes_nothing(steps: Steps) -> None:
    clock = CpuClock(steps, working_set_bytes=300)  # type: ignore[arg-type]
    clock.hot_repeats = 3
    assert len(clock.hot_samples(0.0)) == 1
    assert steps.log == ["run 0"] * 5, "the first, which may find nothing, and the one after it do not count"


def test_a_hot_evaluation_that_takes_longer_than_the_warm_up_said_is_not_repeated(steps: Steps) -> None:
    """A clock that moves a millisecond at each look: of two hundred evaluations a sample would last half a second."""
    clock = CpuClock(steps, working_set_bytes=300)  # type: ignore[arg-type]
    clock.hot_repeats = 200
    ticks = iter(range(0, 10**12, 10**6))
    clock.hot_samples(0.0, clock=lambda: next(ticks))
    assert clock.hot_repeats == 1 and steps.log == ["run 0"] * 3


@pytest.mark.parametrize("has_instruction", [True, False])
def test_flushing_leaves_what_is_written_there(has_instruction: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_instruction:
        monkeypatch.setattr(flush, "_library", lambda: None)
        monkeypatch.setattr(flush, "last_cache_bytes", lambda: 1 << 16)
    values = np.arange(3 * flush.THREAD_BYTES // 4, dtype=np.float32)
    odd: Any = values[5:-3]  # begins and ends inside of a line
    flusher()([(odd.ctypes.data, odd.nbytes), (values.ctypes.data, 0)])
    assert (values == np.arange(values.size, dtype=np.float32)).all()
