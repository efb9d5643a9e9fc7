"""The noise floor takes every spread of few cases and is not carried off by one of many."""

from __future__ import annotations

import numpy as np
import pytest

from tests.views.build_records import failed, met, timed
from workbench.measure.noise import between, noise_floor
from workbench.store.record import Status


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


def test_a_second_time_counts_only_where_neither_was_disturbed() -> None:
    first, again = timed("eager", 1.0, noise=0.0), timed("eager", 1.1, noise=0.0)
    assert between(first, again) == pytest.approx(0.1)
    quiet = timed("eager", 1.1, noise=0.0, disturbance=met(1))
    assert between(first, quiet) == pytest.approx(0.1)
    assert between(first, timed("eager", 1.1, disturbance=met(5))) is None
    assert between(timed("eager", 1.1, disturbance=met(5)), again) is None
    assert between(first, failed("eager", Status.CRASHED, "gone")) is None
