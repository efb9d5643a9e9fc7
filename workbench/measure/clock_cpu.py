"""Wall-clock samples of a plan on the CPU."""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager

from workbench.execute.bound import Bound

LONG_S = 10e-3
"""Evaluations over this fill their own caches within a small part of themselves."""
SHORTEST_SAMPLE_S = 200e-6
"""Evaluations under this are timed several to a sample: the clock and the loop cost about 100 ns."""


class CpuClock:
    """Times evaluations of `bound`, rotating over its sets of inputs so that no run finds its own data in a cache
    that the run before has filled with it."""

    timer = "cpu_wall"
    cache = "rotated"

    def __init__(self, bound: Bound, mark: AbstractContextManager[None] | None = None) -> None:
        """`mark`: an NVTX range around every evaluation, outside of what is timed."""
        self._bound = bound
        self._mark = mark or contextlib.nullcontext()
        self._next = 0
        self._repeats = 1
        self._long = False

    def warm_up(self, seconds: float) -> float:
        """Runs for `seconds` (at least twice), fixes how many evaluations make a sample; returns one's time."""
        end = time.perf_counter() + seconds
        fastest = float("inf")
        runs = 0
        while runs < 2 or time.perf_counter() < end:
            fastest = min(fastest, self._once())
            runs += 1
        self._repeats = max(1, round(SHORTEST_SAMPLE_S / max(fastest, 1e-9)))
        self._long = fastest > LONG_S
        return fastest

    def samples(self, seconds: float) -> list[float]:
        """At least one sample, and more until `seconds` are over: seconds an evaluation, each."""
        run, sets, mark, clock = self._bound.run, self._bound.sets, self._mark, time.perf_counter_ns
        index, repeats = self._next, self._repeats
        taken: list[int] = []
        stop = clock()
        end = stop + int(seconds * 1e9)
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
        self._next = index
        return [spent * 1e-9 / repeats for spent in taken]

    def settle(self) -> None:
        """Evaluations that nobody times, where they are short: another process has just had the caches."""
        start = time.perf_counter()
        while not self._long:
            once = self._once()
            if once > 2e-3 or time.perf_counter() - start > 2e-3:
                return

    def clock_hz(self) -> float | None:
        """CPUs are not stamped."""
        return None

    def _once(self) -> float:
        index = self._next
        self._next = (index + 1) % self._bound.sets
        with self._mark:
            start = time.perf_counter_ns()
            self._bound.run(index)
            return (time.perf_counter_ns() - start) * 1e-9
