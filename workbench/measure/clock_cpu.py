"""Wall-clock samples of a plan on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import perf_counter_ns

from workbench.execute.bound import Bound

LONG_S = 10e-3
"""Evaluations over this fill their own caches within a small part of themselves."""
SHORTEST_SAMPLE_S = 200e-6
"""Evaluations under this are timed several to a sample: the clock and the loop cost about 100 ns."""
SETTLED_S = 2e-3
"""How long evaluations that nobody times go on before a block."""


class CpuClock:
    """Times evaluations of `bound`, rotating over its sets of inputs so that no run finds its own data in a cache
    that the run before has filled with it.

    The clock that it reads is the one that stood there when this module was imported: before any variant was.
    """

    timer = "cpu_wall"
    cache = "rotated"

    def __init__(self, bound: Bound, mark: AbstractContextManager[None] | None = None) -> None:
        """`mark`: an NVTX range around every evaluation, outside of what is timed."""
        self._bound = bound
        self._mark = mark or contextlib.nullcontext()
        self.next = 0
        """The set that is evaluated next."""
        self.repeats = 1
        """Evaluations in a sample."""
        self._long = False

    def warm_up(self, seconds: float) -> float:
        """Runs for `seconds` (at least twice), fixes how many evaluations make a sample; returns one's time."""
        end = perf_counter_ns() + _nanoseconds(seconds)
        fastest = float("inf")
        runs = 0
        while runs < 2 or perf_counter_ns() < end:
            fastest = min(fastest, self._once())
            runs += 1
        self.repeats = max(1, round(SHORTEST_SAMPLE_S / max(fastest, 1e-9)))
        self._long = fastest > LONG_S
        return fastest

    def samples(
        self, seconds: float, repeats: int | None = None, clock: Callable[[], int] = perf_counter_ns
    ) -> list[float]:
        """At least one sample, and more until `seconds` are over: seconds an evaluation, each the mean of `repeats`
        evaluations (as many as the warm-up found right, where none are named)."""
        run, sets, mark = self._bound.run, self._bound.sets, self._mark
        index, repeats = self.next, repeats or self.repeats
        taken: list[int] = []
        stop = clock()
        end = stop + _nanoseconds(seconds)
        while not taken or stop < end:
            spent = 0
            for _ in range(repeats):
                with mark:
                    start = clock()
                    run(index)
                    stop = clock()
                spent += stop - start
                index = (index + 1) % sets
            taken.append(spent)
        self.next = index
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

    def _once(self) -> float:
        index = self.next
        self.next = (index + 1) % self._bound.sets
        with self._mark:
            start = perf_counter_ns()
            self._bound.run(index)
            return (perf_counter_ns() - start) * 1e-9


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
