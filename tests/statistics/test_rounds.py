"""Verdicts over rounds, where each process is a little faster or slower for all of its samples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from workbench.statistics.rounds import FEWEST_ROUNDS, between_rounds, student_95
from workbench.statistics.verdict import EQUIVALENT, judge, resolution

PAIRS, MOST_ROUNDS, SAMPLES = 200, 12, 40
Shift = Callable[[np.random.Generator], float]
"""By how much one process is slower than another of the same code."""


def quiet(random: np.random.Generator) -> float:
    return float(random.normal(0.0, 0.003))


def placed(random: np.random.Generator) -> float:
    """Three of ten processes get worse pages."""
    return 0.02 * float(random.random() < 0.3)


def until_decided(shift: Shift, ratio: float, random: np.random.Generator) -> str:
    """As `compare --rerun` does: a round more until the verdict is there and is no mere lack of resolution."""
    a, b, ratios = np.zeros(0), np.zeros(0), []
    for number in range(1, MOST_ROUNDS + 1):
        one, other = (
            slow * (1 + shift(random)) * (1 + 0.01 * random.standard_normal(SAMPLES)) for slow in (1.0, ratio)
        )
        a, b = np.concatenate((a, one)), np.concatenate((b, other))
        ratios.append(float(np.median(other) / np.median(one)))
        if number < FEWEST_ROUNDS:
            continue
        found = judge(a, b, max(0.003 / math.sqrt(number), between_rounds(ratios)))
        if found.word in ("faster", "slower") or resolution(found.low, found.high) <= EQUIVALENT:
            break
    return found.word


def words(shift: Shift, ratio: float) -> Counter[str]:
    random = np.random.default_rng(5)
    return Counter(until_decided(shift, ratio, random) for _ in range(PAIRS))


@pytest.mark.parametrize("shift", [quiet, placed])
def test_equal_sides_are_hardly_ever_called_slower(shift: Shift) -> None:
    assert words(shift, 1.0)["slower"] <= 0.01 * PAIRS


def test_a_change_of_two_percent_is_found_over_rounds() -> None:
    assert words(quiet, 1.02)["slower"] >= 0.99 * PAIRS


def test_quantiles_of_student() -> None:
    """As tables of the distribution have them."""
    tables = {1: 6.314, 2: 2.920, 3: 2.353, 6: 1.943, 8: 1.860, 10: 1.812, 20: 1.725, 60: 1.671}
    assert {freedom: student_95(freedom) for freedom in tables} == pytest.approx(tables, abs=2e-3)


def test_rounds_that_agree_leave_no_noise_and_one_round_says_nothing() -> None:
    assert between_rounds([1.1]) == 0.0 == between_rounds([1.1, 1.1, 1.1])
    assert between_rounds([1.0, 1.02]) == pytest.approx(6.314 * math.log(1.02) / math.sqrt(2) / math.sqrt(2))
