"""The problems that every variant of `scan` and `gated_scan` is run on."""

from __future__ import annotations

from collections.abc import Sequence

from tests.kernels.covering import ORDERS, covering, other_settings, sliced
from tests.kernels.executed import Case
from workbench.declare import Shape, Variant

SIZES = {"B": (1, 3), "T": (1, 2, 31, 32, 33, 1000, 4097), "H": (1, 3, 32, 65, 256)}
"""Around the sizes of warps, tiles and packs: one under, at and over, one alone, odd ones, and many tiles of time."""
LARGEST = 40_000
"""Elements of a case: 4097 x 3 x 3, 33 x 256 x 3 and 1000 x 32 are in, 1000 x 65 is not."""
SOME_TILES = Shape.of("bfloat16", B=2, T=600, H=40)
"""For settings other than the default: several tiles of each size, channels that end within a block."""


def cases(variants: Sequence[Variant], orders: Sequence[str] = ORDERS) -> list[Case]:
    return [case for variant in variants for case in covering(variant, SIZES, LARGEST, orders)]


def cases_of_settings(variants: Sequence[Variant]) -> list[Case]:
    return [case for variant in variants for case in other_settings(variant, SOME_TILES)]


def large_cases(variants: Sequence[Variant]) -> list[Case]:
    """Long and wide at once, in the regime of long memory; a slice of them."""
    shapes = (Shape.of("float32", B=1, T=4097, H=65), Shape.of("bfloat16", B=1, T=1000, H=64))
    return [
        Case(variant.key, shape, "slow", order)
        for variant in variants
        for shape, order in sliced([*zip(shapes, ("mixed", "delayed"), strict=True)], variant.key)
    ]
