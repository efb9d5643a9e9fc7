"""y = 2 x, for kernels with the faults that each of compute-sanitizer's tools is there to see."""

from __future__ import annotations

import numpy as np

from workbench.declare import Arrays, Cost, Operation, Shape, Tensor


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    return Tensor("x", (shape["n"],), "float32"), Tensor("y", (shape["n"],), "float32", "output")


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    return {"x": random.standard_normal(shape["n"], dtype=np.float32)}


OPERATION = Operation(
    name="double",
    title="twice x",
    equation="y = 2 x",
    axes={"n": 1 << 16},
    small={"n": 512},
    tensors=tensors,
    make_inputs=make_inputs,
    reference=lambda shape, inputs: {"y": 2 * inputs["x"]},
    least=lambda shape: Cost(bytes=8 * shape["n"], flops=shape["n"]),
    baseline="clean",
    tolerance={"float32": 1e-6},
    dtypes=("float32",),
)
