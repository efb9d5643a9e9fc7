"""Every CUDA rung of the scan, found in the catalogue, simulated and held against float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.campaign.mutate import FUZZ
from tests.kernels.covering import ORDERS, of_kind
from tests.kernels.executed import Case, check, run
from tests.kernels.scan_cases import cases, cases_of_settings, large_cases
from workbench.declare import Kernel, Shape

pytestmark = pytest.mark.sliced

VARIANTS = of_kind("scan", Kernel)
NAMES = [variant.name for variant in VARIANTS]


@pytest.mark.parametrize("case", cases(VARIANTS), ids=str)
def test_is_right(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", cases_of_settings(VARIANTS), ids=str)
def test_is_right_at_other_settings(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", large_cases(VARIANTS), ids=str)
def test_is_right_when_large(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("name", NAMES)
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
    check(Case(f"scan/{name}", Shape.of(dtype, B=B, T=T, H=H), "normal", order, absent))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("look_back")])
@pytest.mark.parametrize("resident_blocks", (1, 2, 6))
def test_a_look_back_never_waits_for_a_tile_that_has_not_started(name: str, resident_blocks: int) -> None:
    """However few blocks run at a time, and in whatever order they start: tickets see to it. 20,000 steps are more
    tiles than one window of the free order and two groups of the fixed one hold."""
    shape = Shape.of("float32", B=1, T=20_000, H=2)
    for order in ORDERS if FUZZ > 1 else (ORDERS[resident_blocks % len(ORDERS)],):
        for result in run(Case(f"scan/{name}", shape, "slow", order), resident_blocks).values():
            assert result.error <= 1e-6


def test_the_fixed_order_yields_the_same_bits_whatever_the_timing() -> None:
    shape = Shape.of("float32", B=2, T=9000, H=3)
    case = Case("scan/look_back_fixed", shape, "slow")
    first = run(case)["h"].value
    for resident_blocks, order in ((1, "in_order"), (3, "mixed"), (16, "delayed"), (None, "mixed")):
        again = run(Case(case.variant, shape, "slow", order), resident_blocks)["h"].value
        assert np.array_equal(first.view(np.uint32), again.view(np.uint32)), (resident_blocks, order)
