"""The verdicts, held by simulation: how often they are wrong when nothing changed, and right when something did."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.campaign.mutate import FUZZ
from tests.statistics.noise import EVERY, Noise, normal
from workbench.statistics.verdict import EQUIVALENT, judge

pytestmark = pytest.mark.sliced

PAIRS = 300 if FUZZ > 1 else 100
FIRST = 20
"""Samples per side before anything is asked for."""
ROUNDS = 4


def until_decided(noise: Noise, slowdown: float, noise_floor: float, random: np.random.Generator) -> str:
    """The verdict once as many samples were taken as it asks for, in a few rounds of at most eight times as many."""
    a, b = noise(random, FIRST)
    for _ in range(ROUNDS):
        found = judge(a, slowdown * b, noise_floor)
        if found.word != "undecided" or found.samples_needed is None:
            break
        more = noise(random, min(found.samples_needed, 8 * len(a)) - len(a))
        a, b = np.concatenate((a, more[0])), np.concatenate((b, more[1]))
    return found.word


def words(noise: Noise, slowdown: float, noise_floor: float) -> Counter[str]:
    random = np.random.default_rng(2)
    return Counter(until_decided(noise, slowdown, noise_floor, random) for _ in range(PAIRS))


@pytest.mark.parametrize("noise", EVERY)
@pytest.mark.parametrize("noise_floor", [0.001, 0.005])
def test_no_difference_is_called_the_same_and_hardly_ever_slower(noise: Noise, noise_floor: float) -> None:
    found = words(noise, 1.0, noise_floor)
    assert found["slower"] <= 0.01 * PAIRS
    assert found["faster"] <= 0.01 * PAIRS
    assert found["same"] >= 0.97 * PAIRS


@pytest.mark.parametrize("noise", EVERY)
def test_a_change_of_two_percent_is_found(noise: Noise) -> None:
    assert words(noise, 1.02, 0.002)["slower"] >= 0.99 * PAIRS
    assert words(noise, 1 / 1.02, 0.002)["faster"] >= 0.99 * PAIRS


def test_a_run_against_its_own_copy_is_the_same() -> None:
    random = np.random.default_rng(4)
    samples = 1.0 + 0.3 * random.random(7)
    found = judge(samples, samples.copy(), 0.0)
    assert (found.word, found.resolution) == ("same", 0.0)


def test_the_same_says_within_what() -> None:
    random = np.random.default_rng(0)
    found = judge(*normal(random, 200), noise_floor=0.001)
    assert found.word == "same"
    assert 0.001 < found.resolution <= EQUIVALENT
    assert found.low >= 1 / (1 + found.resolution) and found.high <= 1 + found.resolution


def test_undecided_says_why_and_what_would_decide() -> None:
    random = np.random.default_rng(0)
    wide = judge(1 + 0.3 * random.random(10), 1 + 0.3 * random.random(10), 0.01)
    assert wide.word == "undecided" and wide.samples_needed is not None and wide.samples_needed > 10
    assert f"about {wide.samples_needed:,} samples per side would decide" in wide.reason
    assert "the interval is wider than the noise floor: they differ by at most" in wide.reason
    assert "sweep again" in judge(*normal(random, 20), noise_floor=None).reason
    assert judge([], [1.0], 0.01).reason == "no samples were kept"
    one = judge([1.0], [5.0], 0.01)
    assert one.word == "undecided", "one sample per side decides nothing"
    assert "nothing limits their difference" in one.reason
