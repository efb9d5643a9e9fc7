"""The verdicts, held by simulation: how often they are wrong when nothing changed, and right when something did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from workbench.statistics.verdict import judge

PAIRS = 1000
NOISE = 0.01

Make = Callable[[np.random.Generator], np.ndarray]


def normal(random: np.random.Generator) -> np.ndarray:
    return 1.0 + NOISE * random.standard_normal(20)


def skewed(random: np.random.Generator) -> np.ndarray:
    """Times have a long tail: a tenth of the samples is disturbed by up to a third."""
    times = 1.0 + NOISE * np.abs(random.standard_normal(30))
    return times * np.where(random.random(30) < 0.1, 1.0 + 0.3 * random.random(30), 1.0)


def drifting(random: np.random.Generator) -> np.ndarray:
    """The clock wanders: neighbours share their error."""
    steps = random.standard_normal(60)
    values = np.empty(60)
    values[0] = steps[0]
    for i in range(1, 60):
        values[i] = 0.8 * values[i - 1] + 0.6 * steps[i]
    return 1.0 + NOISE * values


def words(make: Make, slowdown: float, noise_floor: float) -> Counter[str]:
    random = np.random.default_rng(2)
    return Counter(judge(make(random), slowdown * make(random), noise_floor).word for _ in range(PAIRS))


@pytest.mark.parametrize("make", [normal, skewed, drifting])
@pytest.mark.parametrize("noise_floor", [0.0, NOISE])
def test_no_difference_is_rarely_called_slower(make: Make, noise_floor: float) -> None:
    """At most 5 % of 1,000 pairs, even where the noise floor gives no help at all."""
    found = words(make, 1.0, noise_floor)
    assert found["slower"] <= 0.05 * PAIRS
    assert found["faster"] <= 0.05 * PAIRS


@pytest.mark.parametrize("make", [normal, skewed])
def test_true_slowdown_is_found(make: Make) -> None:
    assert words(make, 1.05, NOISE)["slower"] >= 0.99 * PAIRS
    assert words(make, 1 / 1.05, NOISE)["faster"] >= 0.99 * PAIRS


def test_a_difference_inside_the_noise_floor_is_the_same() -> None:
    found = words(lambda random: 1.0 + 0.002 * random.standard_normal(20), 1.005, NOISE)
    assert found["same"] >= 0.99 * PAIRS


def test_undecided_says_why() -> None:
    random = np.random.default_rng(0)
    wide = judge(1 + 0.3 * random.random(10), 1 + 0.3 * random.random(10), 0.01)
    assert (wide.word, wide.reason) == (
        "undecided",
        "the interval is wider than the noise floor: more samples are needed",
    )
    assert "sweep again" in judge(normal(random), normal(random), None).reason
    assert judge([], [1.0], 0.01).reason == "no samples were kept"
    assert judge([1.0], [5.0], 0.01).word == "undecided", "one sample a side decides nothing"
