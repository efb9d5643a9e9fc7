"""Where the level of a series changes: the fewest steps that explain it, by penalised least squares.

The segmentation that minimises squared residuals over the variance plus a penalty for each step, found exactly by
dynamic programming (Jackson et al. 2005; the penalty is three times the logarithm of the count, after Zhang and
Siegmund 2007: one for the level, one for its place, one for having looked everywhere).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from workbench.statistics.intervals import NORMAL_95

PENALTY = 3.0
"""Times the logarithm of the number of values, for each step."""
PER_SPREAD = NORMAL_95 * math.sqrt(2)
"""By so many standard deviations of one value two values of the same level differ in 5 % of the cases."""
NORMAL = 1 / 0.6745
"""A standard deviation over the median of absolute deviations, of a normal distribution."""


def scatter(values: Sequence[float]) -> float:
    """The standard deviation of a value around its level, from the differences between neighbours, of which steps are
    few: their median does not mind those. NaN for fewer than two values."""
    differences = np.abs(np.diff(np.asarray(values, dtype=np.float64)))
    return float(np.median(differences)) * NORMAL / math.sqrt(2) if differences.size else math.nan


def steps(values: Sequence[float], deviation: float) -> list[int]:
    """Places at which a new level begins, in order: never 0. `deviation`: the standard deviation of a value around its
    level, in the values' unit; 0 or less, or NaN, finds none, as nothing says then what a step is."""
    series = np.asarray(values, dtype=np.float64)
    count = series.size
    if count < 2 or not deviation > 0:
        return []
    sums = np.concatenate([[0.0], np.cumsum(series)])
    squares = np.concatenate([[0.0], np.cumsum(series**2)])
    penalty = PENALTY * math.log(count)
    best = np.full(count + 1, np.inf)
    best[0] = -penalty
    before = np.zeros(count + 1, dtype=np.intp)
    for end in range(1, count + 1):
        starts = np.arange(end)
        residuals = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (end - starts)
        costs = best[starts] + np.maximum(residuals, 0.0) / deviation**2 + penalty
        before[end] = int(np.argmin(costs))
        best[end] = costs[before[end]]
    places: list[int] = []
    end = count
    while before[end] > 0:
        end = int(before[end])
        places.append(end)
    return places[::-1]
