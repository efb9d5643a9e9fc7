"""What independent clocks are asked about too: a copy, and two scans that differ in how they wait for memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.catalog import load_catalog
from workbench.declare import Call, Plan, Shape, Tensor
from workbench.execute.bind import bind_variant
from workbench.execute.load import load

COPY = "copy"
SUBJECTS = (COPY, "scan/serial", "scan/look_back_free")
ELEMENTS = 64 << 20
SHAPE = Shape.of("float32", B=8, T=4096, H=1024)
"""Some hundred microseconds each: launches and clock resolution are a small part of 2 %."""


def bound(name: str, sets: int = 1) -> Any:
    """A subject with memory on the GPU, ready to run."""
    if name != COPY:
        catalog = load_catalog()
        variant = catalog.variant(name)
        operation = catalog.operation(variant.operation_key)
        return bind_variant(variant, operation, SHAPE, variant.default_settings(), "cuda", sets)

    def copy(x: Any, y: Any) -> None:
        y.copy_(x)

    tensors = (Tensor("x", (ELEMENTS,), "float32"), Tensor("y", (ELEMENTS,), "float32", "output"))
    inputs = [{"x": np.ones(ELEMENTS, np.float32)}] * sets
    return load(Plan((Call(copy, ("x", "y")),)), tensors, inputs, "float32", "cuda")
