"""Every CUDA variant on the GPU against float64, at the sizes of the simulator and at real ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernels.executed import catalog
from workbench.catalog import BUILTIN
from workbench.check import direct
from workbench.check.case import InputSet, checked_sets, make_set
from workbench.check.direct import DirectCheck
from workbench.declare import Operation, Shape
from workbench.execute.this_machine import why_unsupported
from workbench.sweep.selection import small_shape

SIZES = {"B": 3, "T": 4097, "D": 257, "H": 259, "O": 65}
"""Odd, and large enough that every kernel runs many blocks; axes that are not here (directions, rows of weights) stay
small."""


def cases() -> Iterator[Any]:
    for variant in CATALOG:
        operation = CATALOG.operation_of(variant)
        if "cuda" not in variant.devices:
            continue
        for dtype in operation.dtypes:
            large = Shape(tuple((axis, SIZES.get(axis, operation.small[axis])) for axis in operation.axes), dtype)
            for name, shape in (("small", small_shape(operation, dtype)), ("large", large)):
                yield pytest.param(variant.key, shape, id=f"{variant.key}-{dtype}-{name}")


class Drawn:
    """Draws of one operation, kept: what its variants are compared with takes longer to make than they do."""

    def __init__(self) -> None:
        self._operation = ""
        self._kept: dict[tuple[Shape, InputSet], Any] = {}

    def __call__(self, operation: Operation, shape: Shape, input_set: InputSet) -> Any:
        if operation.key != self._operation:
            self._operation, self._kept = operation.key, {}
        if (shape, input_set) not in self._kept:
            self._kept[shape, input_set] = make_set(operation, shape, input_set)
        return self._kept[shape, input_set]


DRAWN = Drawn()
CATALOG = catalog()


@pytest.mark.parametrize(("key", "shape"), list(cases()))
def test_is_right_on_the_gpu(key: str, shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "make_set", DRAWN)
    variant = CATALOG.variant(key)
    operation = CATALOG.operation_of(variant)
    reason = why_unsupported(variant, shape) or variant.known_loss
    if reason:
        pytest.skip(reason)
    input_sets = (InputSet(operation.regimes[0], 0), *checked_sets(operation))
    found = DirectCheck(BUILTIN, key, "cuda").check(shape, variant.default_settings(), input_sets)
    assert found.right, found.reason
