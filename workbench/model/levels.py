"""Where a working set lives, and how long moving bytes takes at least from there.

Of a set that is gone over again and again, at most as many bytes as the caches up to a level hold can be found in them;
all others have to come from beyond, whatever is kept. The least time is that of the slowest such level:

    max over levels of   bytes x (1 - held before / working set) / rate of the level

with the rates that the run measured of each level by its fastest way. Bytes of a cold evaluation all come from memory.
Lines that an ordinary store reads before it overwrites them (write-allocate) are moved by memory alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from workbench.measure.caches import LEVELS
from workbench.measure.ceilings import MEMORY, best, fastest
from workbench.store.record import Machine

Column = NDArray[np.float64]


def cold_rate(machine: Machine, cache: str) -> float | None:
    """Bytes per second at which memory delivers at most. What is flushed leaves its outputs in a cache, and needs of
    memory only that it reads; all else is bound by ways that write as well."""
    if cache == "cold" and machine.caches:
        return fastest(machine.ceilings, MEMORY)
    return best(machine.ceilings, "bandwidth")


def levels_of(machine: Machine) -> list[tuple[str, float, float]]:
    """(level, bytes that the levels before it hold together, its rate) of levels with a rate, the nearest first."""
    found, held = [], 0.0
    for level in (*(level for level in LEVELS if level in machine.caches), MEMORY):
        rate = fastest(machine.ceilings, level)
        if rate is not None:
            found.append((level, held, rate))
        held += machine.caches.get(level, 0)
    return found


def hot_seconds(moved: Column, allocated: Column, working_set: Column, machine: Machine) -> Column:
    """The least time of hot evaluations that move `moved` bytes, of which `allocated` are write-allocate reads; NaN
    where a figure or every rate is missing."""
    least = np.full(len(moved), np.nan)
    for level, held, rate in levels_of(machine):
        beyond = np.clip(1 - held / np.where(working_set > 0, working_set, np.nan), 0.0, 1.0)
        from_here = moved if level == MEMORY else moved - np.nan_to_num(allocated)
        least = np.fmax(least, from_here * beyond / rate)
    return np.where(least > 0, least, np.nan)


def fits_in(working_set: float, caches: Mapping[str, int]) -> str:
    """The nearest level that holds a working set: `L1`, `L2`, `L3` or `memory`; empty where caches are not known."""
    if not caches or not working_set > 0:
        return ""
    return next((level for level in LEVELS if working_set <= caches.get(level, 0)), MEMORY)
