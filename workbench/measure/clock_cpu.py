"""Wall-clock samples of a plan on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import perf_counter_ns

from workbench.execute.bound import Bound
from workbench.measure.caches import cache_bytes, last_cache_bytes
from workbench.measure.flush import flusher

LONG_S = 10e-3
"""Evaluations over this fill their own caches within a small part of themselves."""
SHORTEST_SAMPLE_S = 200e-6
"""Evaluations under this are timed several to a sample: the clock and the loop cost about 100 ns."""
SETTLED_S = 2e-3
"""How long evaluations that nobody times go on before a block."""


ROTATED = 4
"""Sets that together are so many times the last cache put each other out of it."""


def is_flushed(working_set_bytes: int, sets: int) -> bool:
    """Whether sets of this size would find their data in a cache if nobody flushed it."""
    return sets * working_set_bytes < ROTATED * last_cache_bytes()


def has_hot(working_set_bytes: int) -> bool:
    """Whether there is a hot figure: a set that is larger than the caches never is."""
    return 0 < working_set_bytes <= sum(cache_bytes().values())


class CpuClock:
    """Times evaluations of `bound`, rotating over its sets of inputs.

    Cold: no evaluation finds its data in a cache. Where the sets together are ROTATED times the last cache, the one
    before has put them all out (`rotated`); else each set's buffers are flushed before it is evaluated (`cold`).
    Hot: one set over and over, which finds what the evaluation before has left (`hot_samples`).

    The clock that it reads is the one that stood there when this module was imported: before any variant was.
    """

    timer = "cpu_wall"

    def __init__(
        self, bound: Bound, mark: AbstractContextManager[None] | None = None, working_set_bytes: int = 0
    ) -> None:
        """`mark`: an NVTX range around every evaluation, outside of what is timed. `working_set_bytes`: of a set, all
        that an evaluation touches."""
        self._bound = bound
        self.cache = "cold" if is_flushed(working_set_bytes, bound.sets) else "rotated"
        self._flush = flusher() if self.cache == "cold" else None
        self._regions = [bound.memory(index) if self._flush else [] for index in range(bound.sets)]
        self.flushing_s = 0.0
        """Time that has gone into flushing so far, none of it timed."""
        self._mark = mark or contextlib.nullcontext()
        self.next = 0
        """The set that is evaluated next."""
        self.repeats = 1
        """Evaluations in a sample. Where each is flushed before, that takes its part of the sample's length."""
        self.hot_repeats = 1
        """Evaluations in a sample of the hot figure."""
        self._long = False

    def warm_up(self, seconds: float) -> float:
        """Runs for `seconds` (at least twice), fixes how many evaluations make a sample; returns one's time."""
        end = perf_counter_ns() + _nanoseconds(seconds)
        fastest = float("inf")
        runs = 0
        while runs < 2 or perf_counter_ns() < end:
            fastest = min(fastest, self._once())
            runs += 1
        self.hot_repeats = max(1, round(SHORTEST_SAMPLE_S / max(fastest, 1e-9)))
        self.repeats = max(1, round(SHORTEST_SAMPLE_S / max(fastest + self._once_flushed(), 1e-9)))
        self._long = fastest > LONG_S
        return fastest

    def samples(
        self, seconds: float, repeats: int | None = None, clock: Callable[[], int] = perf_counter_ns
    ) -> list[float]:
        """At least one sample, and more until `seconds` are over: seconds an evaluation, each the mean of `repeats`
        evaluations (as many as the warm-up found right, where none are named)."""
        run, sets, mark, flush, regions = self._bound.run, self._bound.sets, self._mark, self._flush, self._regions
        index, repeats = self.next, repeats or self.repeats
        taken: list[int] = []
        stop = clock()
        end = stop + _nanoseconds(seconds)
        while not taken or stop < end:
            spent = 0
            for _ in range(repeats):
                if flush is not None:
                    start = clock()
                    flush(regions[index])
                    self.flushing_s += (clock() - start) * 1e-9
                with mark:
                    start = clock()
                    run(index)
                    stop = clock()
                spent += stop - start
                index = (index + 1) % sets
            taken.append(spent)
        self.next = index
        return [spent * 1e-9 / repeats for spent in taken]

    def hot_samples(self, seconds: float, clock: Callable[[], int] = perf_counter_ns) -> list[float]:
        """As `samples`, of the first set alone, which nothing flushes: two evaluations are not counted. The second
        says how many make a sample, where it takes longer than it did in the warm-up."""
        run = self._bound.run
        run(0)
        start = clock()
        run(0)
        once = max((clock() - start) * 1e-9, 1e-9)
        repeats = self.hot_repeats = min(self.hot_repeats, max(1, round(SHORTEST_SAMPLE_S / once)))
        taken: list[int] = []
        stop = clock()
        end = stop + _nanoseconds(seconds)
        while not taken or stop < end:
            spent = 0
            for _ in range(repeats):
                with self._mark:
                    start = clock()
                    run(0)
                    stop = clock()
                spent += stop - start
            taken.append(spent)
        return [spent * 1e-9 / repeats for spent in taken]

    def settle(self) -> None:
        """Evaluations that nobody times, where they are short: another process has just had the caches."""
        start = perf_counter_ns()
        while not self._long:
            once = self._once()
            if once > SETTLED_S or perf_counter_ns() - start > _nanoseconds(SETTLED_S):
                return

    def clock_hz(self) -> float | None:
        """CPUs are not stamped."""
        return None

    def _once_flushed(self) -> float:
        """The time that flushing a set takes; 0 where nothing is flushed."""
        if self._flush is None:
            return 0.0
        start = perf_counter_ns()
        self._flush(self._regions[self.next])
        return (perf_counter_ns() - start) * 1e-9

    def _once(self) -> float:
        index = self.next
        self.next = (index + 1) % self._bound.sets
        with self._mark:
            start = perf_counter_ns()
            self._bound.run(index)
            return (perf_counter_ns() - start) * 1e-9


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
