"""y = sin(sin(… x)), sixteen times: long enough that leaving the work undone shows."""

from __future__ import annotations

import numpy as np

from workbench.declare import Arrays, Cost, Operation, Shape, Tensor

TIMES = 16


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    return Tensor("x", (shape["n"],), shape.dtype), Tensor("y", (shape["n"],), shape.dtype, "output")


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    return {"x": random.standard_normal(shape["n"], dtype=np.float32)}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    y = inputs["x"]
    for _ in range(TIMES):
        y = np.sin(y)
    return {"y": y}


OPERATION = Operation(
    name="sines",
    title="sines of sines",
    equation="y = sin(sin(… x))",
    axes={"n": 1 << 18},
    small={"n": 301},
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=lambda shape: Cost(bytes=2 * shape["n"] * shape.element_bytes, special=TIMES * shape["n"]),
    baseline="honest",
    tolerance={"float32": 1e-5, "bfloat16": 3e-2},
    regimes=("normal", "again"),
)
