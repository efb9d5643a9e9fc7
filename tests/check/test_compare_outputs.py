"""The comparison goes through arrays in pieces and on several threads: nothing of that may show in its result."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.check import compare_outputs as module
from workbench.check.compare_outputs import compare_outputs
from workbench.declare import Tolerance


@pytest.fixture(params=[(5, 1 << 22), (5, 7), (1 << 16, 1 << 22)], ids=["pieces", "stripes", "whole"])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes of pieces and stripes small enough that every array below is cut."""
    monkeypatch.setattr(module, "PIECE", request.param[0])
    monkeypatch.setattr(module, "STRIPE", request.param[1])
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(3)))


values = st.floats(-1e3, 1e3, width=32)


@pytest.mark.usefixtures("cut")
def test_the_error_is_that_of_the_whole_array() -> None:
    @settings(deadline=None)
    @given(arrays(np.float32, st.integers(1, 60), elements=values), st.floats(0, 1, width=32))
    def holds(got: np.ndarray, shift: float) -> None:
        want = got.astype(np.float64) + shift
        norm = float(np.linalg.norm(want)) or 1.0
        expected = float(np.linalg.norm(got - want)) / norm
        found = compare_outputs({"y": got}, {"y": want}, {"y": Tolerance(math.inf)})
        assert math.isclose(found.relative_l2, expected, rel_tol=1e-9, abs_tol=1e-12)

    holds()


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_one_value_that_is_no_number_is_found_wherever_it_is(wrong: float) -> None:
    want = np.arange(1.0, 25.0).reshape(4, 6)
    for place in np.ndindex(4, 6):
        got = want.astype(np.float32)
        got[place] = wrong
        found = compare_outputs({"y": got}, {"y": want}, {"y": Tolerance(1e-6)})
        assert math.isinf(found.relative_l2)
        assert f"1 of 24 values are not finite, first at [{place[0]}, {place[1]}]" in found.detail


@pytest.mark.usefixtures("cut")
def test_the_largest_error_is_named_with_its_place_in_bf16_too() -> None:
    want = np.linspace(1.0, 2.0, 24).reshape(4, 6)
    got = want.astype(ml_dtypes.bfloat16)
    got[2, 3] = 7.0
    found = compare_outputs({"y": got}, {"y": want}, {"y": Tolerance(1e-3)})
    assert found.detail.startswith("largest at [2, 3]: 7 instead of ")


def test_the_worst_of_several_outputs_counts_and_a_wrong_shape_is_wrong() -> None:
    want = {"a": np.ones(3), "b": np.ones(3)}
    found = compare_outputs({"a": np.ones(3), "b": np.full(3, 1.5)}, want, dict.fromkeys("ab", Tolerance(1.0)))
    assert (found.where, found.relative_l2) == ("b", 0.5)
    found = compare_outputs({"a": np.ones((3, 1)), "b": np.ones(3)}, want, dict.fromkeys("ab", Tolerance(1.0)))
    assert math.isinf(found.relative_l2) and "shape (3, 1) instead of (3,)" in found.detail
