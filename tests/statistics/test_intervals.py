"""Intervals cover what they should, for independent samples and for ones that drift."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.statistics.intervals import effective_count, median_interval, ratio_interval


def coverage(make, true: float, trials: int = 400) -> float:
    inside = 0
    for trial in range(trials):
        low, high = median_interval(make(np.random.default_rng(trial)), seed=trial)
        inside += low <= true <= high
    return inside / trials


@pytest.mark.parametrize("count", [10, 31, 200])
def test_median_interval_covers_the_true_median(count: int) -> None:
    assert 0.91 <= coverage(lambda random: random.lognormal(0.0, 0.3, count), 1.0) <= 0.99


def drifting(random: np.random.Generator, count: int, correlation: float = 0.8) -> np.ndarray:
    noise = random.standard_normal(count)
    values = np.empty(count)
    values[0] = noise[0]
    for i in range(1, count):
        values[i] = correlation * values[i - 1] + np.sqrt(1 - correlation**2) * noise[i]
    return 1.0 + 0.01 * values


def test_interval_covers_when_samples_drift() -> None:
    """With correlation 0.8 an interval for independent samples covers about half as often as it claims."""
    assert coverage(lambda random: drifting(random, 200), 1.0) >= 0.88
    shuffled = coverage(lambda random: random.permutation(drifting(random, 200)), 1.0)
    assert shuffled < 0.65, "shuffling hides the drift: if this covers, the test above shows nothing"


def test_effective_count() -> None:
    random = np.random.default_rng(0)
    independent = np.mean([effective_count(random.standard_normal(200)) for _ in range(50)])
    drift = np.mean([effective_count(drifting(random, 400)) for _ in range(50)])
    assert 130 <= independent <= 200
    assert 20 <= drift <= 90, "correlation 0.8 has a time of 9 samples: 400 are worth about 45"
    assert effective_count(np.ones(50)) == 50, "samples that are all equal carry no drift"


def test_interval_agrees_with_drawing_every_resample() -> None:
    random = np.random.default_rng(3)
    values = random.lognormal(0.0, 0.2, 101)
    drawn = np.median(values[random.integers(0, 101, size=(20_000, 101))], axis=1)
    low, high = median_interval(values, resamples=20_000)
    expected = np.quantile(drawn, (0.025, 0.975))
    assert (low, high) == pytest.approx(tuple(expected), rel=0.02)


def test_ratio_interval() -> None:
    random = np.random.default_rng(0)
    a = 1.0 + 0.01 * random.standard_normal(50)
    low, high = ratio_interval(a, 2.0 * a)
    assert low < 2.0 < high
    assert high - low < 0.05
    assert ratio_interval(a, 2.0 * a) == (low, high), "the same samples give the same interval"


def test_few_samples_say_little() -> None:
    assert median_interval([3.0]) == (3.0, 3.0)
    assert median_interval([1.0, 2.0, 4.0]) == (1.0, 4.0)
    assert ratio_interval([1.0], [2.0]) == (0.0, float("inf"))
    with pytest.raises(ValueError, match="no samples"):
        median_interval([])
