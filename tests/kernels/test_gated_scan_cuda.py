"""Every CUDA rung of the gated scan, found in the catalogue, simulated and held against float64."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.campaign.mutate import FUZZ
from tests.kernels.covering import ORDERS, of_kind
from tests.kernels.executed import Case, check
from tests.kernels.scan_cases import cases, cases_of_settings, large_cases
from workbench.declare import Kernel, Shape

pytestmark = pytest.mark.sliced

VARIANTS = of_kind("gated_scan", Kernel)


@pytest.mark.parametrize("case", cases(VARIANTS), ids=str)
def test_is_right(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", cases_of_settings(VARIANTS), ids=str)
def test_is_right_at_other_settings(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", large_cases(VARIANTS), ids=str)
def test_is_right_when_large(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("name", [variant.name for variant in VARIANTS])
@settings(max_examples=4 if FUZZ == 1 else 8, deadline=None, derandomize=True)
@given(
    B=st.integers(1, 4),
    T=st.integers(1, 700),
    H=st.integers(1, 80),
    dtype=st.sampled_from(("float32", "bfloat16")),
    order=st.sampled_from(ORDERS),
    absent=st.sampled_from(((), ("h0",))),
)
def test_is_right_at_any_shape(
    name: str, B: int, T: int, H: int, dtype: str, order: str, absent: tuple[str, ...]
) -> None:
    check(Case(f"gated_scan/{name}", Shape.of(dtype, B=B, T=T, H=H), "normal", order, absent))
