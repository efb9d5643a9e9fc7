"""y = x, by functions that note how long they ran: what a sweep costs beside its kernels is then known."""

from __future__ import annotations

import numpy as np

from workbench.declare import Arrays, Cost, Operation, Shape, Tensor


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    return Tensor("x", (shape["n"],), shape.dtype), Tensor("y", (shape["n"],), shape.dtype, "output")


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    return {"x": random.standard_normal(shape["n"], dtype=np.float32)}


OPERATION = Operation(
    name="copy",
    title="a copy",
    equation="y = x",
    axes={"n": 1 << 20},
    small={"n": 301},
    tensors=tensors,
    make_inputs=make_inputs,
    reference=lambda shape, inputs: {"y": inputs["x"]},
    least=lambda shape: Cost(bytes=2 * shape["n"] * shape.element_bytes),
    baseline="one",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
)
