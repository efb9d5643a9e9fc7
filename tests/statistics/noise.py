"""Times as machines give them: one sample after the other, both sides interleaved on one clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], tuple[Times, Times]]
"""Random generator and samples per side → times of two sides that take 1 s each."""

SPREAD = 0.01


def _sides(both: Times) -> tuple[Times, Times]:
    return both[::2], both[1::2]


def normal(random: np.random.Generator, count: int) -> tuple[Times, Times]:
    return _sides(1.0 + SPREAD * random.standard_normal(2 * count))


def long_tailed(random: np.random.Generator, count: int) -> tuple[Times, Times]:
    """A tenth of the samples is disturbed by up to a third."""
    times = 1.0 + SPREAD * np.abs(random.standard_normal(2 * count))
    return _sides(times * np.where(random.random(2 * count) < 0.1, 1.0 + 0.3 * random.random(2 * count), 1.0))


def bimodal(random: np.random.Generator, count: int) -> tuple[Times, Times]:
    """Three of ten samples meet another placement in memory and take 5 % longer."""
    times = 1.0 + SPREAD / 2 * random.standard_normal(2 * count)
    return _sides(times * np.where(random.random(2 * count) < 0.3, 1.05, 1.0))


def drifting(random: np.random.Generator, count: int) -> tuple[Times, Times]:
    """The clock wanders, over some ten samples; both sides see it."""
    steps = random.standard_normal(2 * count)
    values = np.empty(2 * count)
    values[0] = steps[0]
    for i in range(1, 2 * count):
        values[i] = 0.9 * values[i - 1] + np.sqrt(1 - 0.81) * steps[i]
    return _sides(1.0 + SPREAD * values + SPREAD / 4 * random.standard_normal(2 * count))


def bursts(random: np.random.Generator, count: int) -> tuple[Times, Times]:
    """Somebody else computes now and then, for a dozen samples on end, and all take up to half as long again."""
    times = 1.0 + SPREAD / 2 * random.standard_normal(2 * count)
    for start in np.flatnonzero(random.random(2 * count) < 0.01):
        times[start : start + 12] *= 1.0 + 0.5 * random.random()
    return _sides(times)


EVERY: tuple[Noise, ...] = (normal, long_tailed, bimodal, drifting, bursts)
