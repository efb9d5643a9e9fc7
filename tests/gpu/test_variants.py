"""Every CUDA variant on the GPU against float64, at the sizes of emulation and at real ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from workbench.catalog import BUILTIN, load_catalog
from workbench.check.case import Draw, checked_draws
from workbench.check.direct import DirectStation
from workbench.declare import Shape
from workbench.sweep.selection import small_shape

SIZES = {"B": 3, "T": 4097, "D": 257, "H": 259, "O": 65}
"""Odd, and large enough that every kernel runs many blocks."""


def cases() -> Iterator[Any]:
    catalog = load_catalog()
    for variant in catalog:
        operation = catalog.operation(variant.operation)
        if "cuda" not in variant.devices:
            continue
        for dtype in operation.dtypes:
            large = Shape(tuple((axis, SIZES[axis]) for axis in operation.axes), dtype)
            for name, shape in (("small", small_shape(operation, dtype)), ("large", large)):
                yield pytest.param(variant.key, shape, id=f"{variant.key}-{dtype}-{name}")


@pytest.mark.parametrize(("key", "shape"), list(cases()))
def test_is_right_on_the_gpu(key: str, shape: Shape) -> None:
    catalog = load_catalog()
    variant = catalog.variant(key)
    operation = catalog.operation(variant.operation)
    if variant.supports(shape) is not None or variant.known_loss:
        pytest.skip(variant.supports(shape) or variant.known_loss)
    draws = (Draw(operation.regimes[0], 0), *checked_draws(operation))
    found = DirectStation(BUILTIN, key, "cuda").check(shape, variant.default_settings(), draws)
    assert found.relative_l2 <= operation.tolerance[shape.dtype], found.reason
