"""Every variant of the gate, found in the catalogue, executed here and held against float64."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.covering import ORDERS, covering, of_kind, other_settings
from tests.kernels.executed import Case, catalog, check
from workbench.declare import Kernel, Shape, Variant

pytestmark = pytest.mark.sliced

VARIANTS = catalog().select(["gate"], passes=["forward"])
OF_CUDA = of_kind("gate", Kernel)
SIZES = {"B": (1, 3), "T": (1, 2, 31, 130), "D": (1, 5, 33), "H": (1, 3, 32, 65)}
"""Around the sizes of warps, vectors and tiles: one, odd, whole and one over."""
LARGEST = 20_000
"""Multiply-adds of a case, by 2."""


def cases(variants: Sequence[Variant], orders: Sequence[str]) -> list[Case]:
    """Covering cases, but not a lone saturated element: whatever it is has nothing beside it to be small against."""
    found = [case for variant in variants for case in covering(variant, SIZES, LARGEST, orders)]
    return [c for c in found if c.regime != "saturated" or c.shape["B"] * c.shape["T"] * c.shape["H"] > 1]


@pytest.mark.parametrize("case", cases([v for v in VARIANTS if v not in OF_CUDA], ("in_order",)), ids=str)
def test_is_right_on_the_cpu(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", cases(OF_CUDA, ORDERS), ids=str)
def test_is_right(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    "case", [c for v in VARIANTS for c in other_settings(v, Shape.of("bfloat16", B=2, T=70, D=19, H=70))], ids=str
)
def test_is_right_at_other_settings(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("variant", [v.key for v in VARIANTS])
@pytest.mark.parametrize("dtype", ("float32", "bfloat16"))
def test_holds_its_bound_in_a_deep_sum(variant: str, dtype: str) -> None:
    """1024 features: a sum's rounding grows with its length, and slow logits are where b feels it most."""
    check(Case(variant, Shape.of(dtype, B=1, T=3, D=1024, H=40), "slow"))


@pytest.mark.parametrize("variant", [v.key for v in OF_CUDA])
@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    B=st.integers(1, 3),
    T=st.integers(1, 40),
    D=st.integers(1, 24),
    H=st.integers(1, 80),
    dtype=st.sampled_from(("float32", "bfloat16")),
    order=st.sampled_from(ORDERS),
)
def test_is_right_at_any_shape(variant: str, B: int, T: int, D: int, H: int, dtype: str, order: str) -> None:
    check(Case(variant, Shape.of(dtype, B=B, T=T, D=D, H=H), "normal", order))
