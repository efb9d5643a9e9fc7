"""Intervals for medians and for ratios of medians, by the bootstrap.

A resample of n values with replacement is n uniform ranks; its median sits at the middle one of them, whose
rank is Beta((n + 1) / 2, (n + 1) / 2) distributed. Drawing that rank and reading the sorted samples there gives
the resampled medians at a cost that does not grow with n (Maritz and Jarrett 1978 use the same distribution for
the median's standard error). Two thousand resamples of a pair take about 0.2 ms.

Samples taken one after the other are not independent: a clock that drifts moves its neighbours too, and an
interval that ignores it is too narrow. n is therefore the *effective* count, n over the integrated
autocorrelation time of the ranks (ranks, so that one outlier does not decide it).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = Sequence[float] | NDArray[np.float64]

RESAMPLES = 4000
NORMAL_95, NORMAL_99 = 1.96, 2.576
"""Half the width of a 95 % and a 99 % interval of a normal distribution, in standard deviations."""
FEWEST = 5
"""With fewer samples than this the 95 % interval of a median reaches past the smallest and the largest one."""


def median_interval(
    samples: Samples, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Interval of the median of `samples` (any unit) that covers the true one with `confidence`.

    Deterministic for a seed. Under FEWEST samples it is their whole range. Raises ValueError for none.
    """
    medians = _resampled_medians(samples, resamples, np.random.default_rng(seed))
    return _interval(medians, confidence)


def ratio_interval(
    samples_a: Samples,
    samples_b: Samples,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of median(b) / median(a): over 1 where b is the slower. Samples are positive times in seconds.

    With a single sample on each side the interval is (0, inf): one sample says nothing about its spread.
    """
    if min(len(samples_a), len(samples_b)) < 2:
        return 0.0, float("inf")
    random = np.random.default_rng(seed)
    a = _resampled_medians(samples_a, resamples, random)
    b = _resampled_medians(samples_b, resamples, random)
    return _interval(b / a, confidence)


def effective_count(samples: Samples) -> float:
    """How many independent samples the given ones, in the order taken, are worth: between 2 and their count.

    n / (1 + 2 sum of the autocorrelations of the ranks up to the first that is not positive), after Geyer's
    initial positive sequence. Under 8 samples there is nothing to estimate it from and the count is returned.
    """
    values = np.asarray(samples, dtype=np.float64)
    n = values.size
    if n < 8:
        return float(n)
    # Equal values share their mean rank: numbered in the order taken, the ties of a coarse clock would drift.
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    ranks -= ranks.mean()
    if not ranks.any():
        return float(n)
    # Zero padding to 2n makes the circular correlation of the transform the plain one.
    spectrum = np.abs(np.fft.rfft(ranks, 2 * n)) ** 2
    correlation = np.fft.irfft(spectrum)[: n // 2]
    correlation /= correlation[0]
    pairs = correlation[: 2 * (correlation.size // 2)].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    positive = pairs[: ends[0]] if ends.size else pairs
    time = max(1.0, 2.0 * float(positive.sum()) - 1.0)
    return float(max(2.0, n / time))


def _resampled_medians(samples: Samples, resamples: int, random: np.random.Generator) -> NDArray[np.float64]:
    values = np.sort(np.asarray(samples, dtype=np.float64))
    if values.size == 0:
        raise ValueError("the median of no samples")
    if values.size < FEWEST:
        return np.asarray(random.choice(values[[0, -1]], size=resamples))
    half = (effective_count(samples) + 1) / 2
    ranks = random.beta(half, half, size=resamples)
    positions = (np.arange(values.size) + 0.5) / values.size
    return np.asarray(np.interp(ranks, positions, values))


def _interval(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(low), float(high)
