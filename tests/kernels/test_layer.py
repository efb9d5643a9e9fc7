"""Every variant of the layer, found in the catalogue, executed here and held against float64."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.kernels.covering import ORDERS, covering, of_kind, other_settings
from tests.kernels.executed import Case, catalog, check, run
from workbench.declare import Kernel, Shape, Variant

pytestmark = pytest.mark.sliced

VARIANTS = [v for v in catalog().select(["layer"], passes=["forward"]) if v.factors.get("peer") != "yes"]
OF_CUDA = of_kind("layer", Kernel)
SIZES = {"B": (1, 3), "T": (1, 2, 31, 33, 130), "D": (1, 19, 40), "H": (1, 32, 65), "O": (17, 32)}
LARGEST = 2_500_000
"""Product of the sizes of a case."""
EPILOGUES = [v for v in OF_CUDA if v.name.startswith("epilogue")]


def dtypes(variant: Variant) -> list[str]:
    shape = catalog().operation("layer").small
    return [d for d in ("float32", "bfloat16") if variant.supports(Shape.of(d, **shape)) is None]


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
    "case", [c for v in VARIANTS for c in other_settings(v, Shape.of("bfloat16", B=2, T=70, D=19, H=70, O=17))], ids=str
)
def test_is_right_at_other_settings(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("variant", EPILOGUES, ids=lambda v: v.name)
@pytest.mark.parametrize("resident_blocks", (1, 3))
@pytest.mark.parametrize("order", ORDERS)
def test_tiles_of_time_pass_their_states_on(variant: Variant, resident_blocks: int, order: str) -> None:
    """However few blocks run at a time: many tiles in a row, two sequences, two strips of channels."""
    for dtype in dtypes(variant):
        shape = Shape.of(dtype, B=2, T=700, D=3, H=70, O=17)
        for result in run(Case(variant.key, shape, "slow", order), resident_blocks).values():
            assert result.error <= catalog().operation("layer").tolerance[dtype]


@pytest.mark.parametrize("variant", EPILOGUES, ids=lambda v: v.name)
def test_a_state_is_the_same_bits_whatever_the_timing(variant: Variant) -> None:
    """A tile repeats the very operations of the tiles before it, from whichever of them it starts.

    One block at a time, every tile starts from the one before it; mixed, some start tiles back.
    """
    shape = Shape.of(dtypes(variant)[0], B=1, T=3000, D=3, H=130, O=1)
    found = [
        run(Case(variant.key, shape, "slow", order), resident_blocks)
        for resident_blocks, order in ((1, "in_order"), (6, "mixed"), (24, "mixed"))
    ]
    for results in found[1:]:
        for name, result in results.items():
            assert result.value.tobytes() == found[0][name].value.tobytes(), name


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_a_sequence_continued_is_the_whole_sequence(variant: Variant) -> None:
    """The bound holds from an initial state far from 0: what h_last of one call hands to the next as h0."""
    for dtype in dtypes(variant):
        check(Case(variant.key, Shape.of(dtype, B=2, T=9, D=33, H=40, O=24), "slow"))
