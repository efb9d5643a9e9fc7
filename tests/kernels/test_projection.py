"""Every variant of the projection, found in the catalogue, executed here and held against float64."""

from __future__ import annotations

import pytest

from tests.kernels.covering import covering, other_settings
from tests.kernels.executed import Case, catalog, check
from workbench.declare import Shape

pytestmark = pytest.mark.sliced

VARIANTS = catalog().select(["projection"], passes=["forward"])
SIZES = {"B": (1, 3), "T": (1, 2, 31, 130), "H": (1, 5, 33), "O": (1, 17, 65)}
LARGEST = 30_000
"""Multiply-adds of a case."""


@pytest.mark.parametrize("case", [c for v in VARIANTS for c in covering(v, SIZES, LARGEST)], ids=str)
def test_is_right(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    "case", [c for v in VARIANTS for c in other_settings(v, Shape.of("bfloat16", B=2, T=7, H=70, O=19))], ids=str
)
def test_is_right_at_other_settings(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("variant", [v.key for v in VARIANTS])
@pytest.mark.parametrize("dtype", ("float32", "bfloat16"))
def test_holds_its_bound_in_a_deep_sum(variant: str, dtype: str) -> None:
    check(Case(variant, Shape.of(dtype, B=2, T=3, H=1024, O=40)))
