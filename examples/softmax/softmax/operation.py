"""Softmax over the columns of a matrix: an operation of your own, in a folder of your own.

workbench list  --kernels examples/softmax
workbench check --kernels examples/softmax
workbench sweep --kernels examples/softmax --columns 1024:16384:x4
"""

from __future__ import annotations

import numpy as np

from workbench.declare import Arrays, Cost, Operation, Shape, Tensor


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    size = (shape["rows"], shape["columns"])
    return Tensor("x", size, shape.dtype), Tensor("y", size, shape.dtype, "output")


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """Logits of N(0, 1), or of N(0, 1) a hundred times as large: exp of those overflows unless the maximum is
    subtracted first."""
    x = random.standard_normal((shape["rows"], shape["columns"]), dtype=np.float32)
    return {"x": 100 * x if regime == "large" else x}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    e = np.exp(inputs["x"] - inputs["x"].max(axis=1, keepdims=True))
    return {"y": e / e.sum(axis=1, keepdims=True)}


def least(shape: Shape) -> Cost:
    """x in once, y out once."""
    elements = shape["rows"] * shape["columns"]
    return Cost(bytes=2 * elements * shape.element_bytes, special=elements, launches=1)


OPERATION = Operation(
    name="softmax",
    title="softmax of every row",
    equation="y = exp(x - max x) / sum exp(x - max x)",
    axes={"rows": 4096, "columns": 1024},
    small={"rows": 7, "columns": 301},
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 1e-6, "bfloat16": 4e-3},
    regimes=("normal", "large"),
)
