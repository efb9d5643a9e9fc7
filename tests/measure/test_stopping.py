"""The rule that ends sampling, on made-up samples."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.measure.stopping import StopRule, relative_spread

RULE = StopRule(min_samples=10, min_seconds=0.5, spread=0.005, cap_seconds=5.0)


def noisy(count: int, width: float, seed: int = 0) -> list[float]:
    return list(1e-3 * (1 + width * np.random.default_rng(seed).standard_normal(count)))


def test_too_few_samples_or_too_little_time_go_on() -> None:
    assert RULE.verdict([1e-3] * 9, spent_s=4.9) is None
    assert RULE.verdict([1e-3] * 500, spent_s=0.4) is None


def test_a_steady_variant_stops_by_its_spread() -> None:
    assert RULE.verdict(noisy(100, 0.001), spent_s=1.0) == "spread"


def test_noise_that_more_samples_cannot_remove_is_a_plateau() -> None:
    """Drift: the second half of the samples lies elsewhere, so that the spread grows instead of shrinking."""
    samples = noisy(100, 0.001) + [1.3 * s for s in noisy(100, 0.001, seed=1)]
    assert relative_spread(samples) > RULE.spread
    assert RULE.verdict(samples, spent_s=1.0) == "plateau"


def test_independent_noise_goes_on_until_the_cap() -> None:
    samples = noisy(200, 0.3)
    assert RULE.verdict(samples, spent_s=4.9) is None
    assert RULE.verdict(samples, spent_s=5.0) == "time_cap"
    assert RULE.verdict(samples[:2], spent_s=100.0) is None, "three samples at least, however long they take"


@given(st.lists(st.floats(1e-6, 1.0), min_size=3, max_size=50), st.floats(0.1, 10.0))
def test_the_spread_has_no_unit(samples: list[float], scale: float) -> None:
    assert np.isclose(relative_spread(samples), relative_spread([scale * s for s in samples]), rtol=1e-6, atol=1e-12)
