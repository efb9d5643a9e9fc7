"""The noise floor takes every spread of few cases and is not carried off by one of many."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.measure.noise import noise_floor


@pytest.mark.parametrize("count", [1, 2, 10, 19])
def test_of_few_the_largest_counts(count: int) -> None:
    assert noise_floor([0.01 * (i + 1) for i in range(count)]) == pytest.approx(0.01 * count)


def test_one_case_in_a_hundred_does_not_set_it() -> None:
    spreads = np.abs(np.random.default_rng(1).normal(0.0, 0.01, 100))
    assert noise_floor([*spreads[:99], 0.7]) == pytest.approx(np.quantile(spreads, 0.95), rel=0.25)


def test_it_does_not_grow_with_the_number_of_cases() -> None:
    random = np.random.default_rng(2)
    few, many = (noise_floor(np.abs(random.normal(0.0, 0.01, n)).tolist()) for n in (50, 5000))
    assert many == pytest.approx(few, rel=0.35) and many == pytest.approx(0.0196, rel=0.05)
