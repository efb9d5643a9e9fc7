"""SiLU with its backward pass: one operation, two passes, their variants side by side.

workbench list  --kernels examples/silu
workbench check --kernels examples/silu --pass backward
workbench sweep --kernels examples/silu --N 65536:16777216:x16
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.declare import Arrays, Cost, Operation, Pass, Shape, Tensor


def logistic(x: NDArray[Any]) -> NDArray[Any]:
    return 0.5 * (1 + np.tanh(0.5 * x))


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    size = (shape["N"],)
    return Tensor("x", size, shape.dtype), Tensor("y", size, shape.dtype, "output")


def backward_tensors(shape: Shape) -> tuple[Tensor, ...]:
    """gy is the gradient of the loss with respect to y, gx that with respect to x."""
    size = (shape["N"],)
    return (
        Tensor("x", size, shape.dtype),
        Tensor("gy", size, shape.dtype),
        Tensor("gx", size, shape.dtype, "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """N(0, 1), or eight times as large, where the logistic function saturates."""
    x = random.standard_normal(shape["N"], dtype=np.float32)
    return {"x": 8 * x if regime == "saturated" else x}


def backward_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    return {**make_inputs(shape, regime, random), "gy": random.standard_normal(shape["N"], dtype=np.float32)}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    x = inputs["x"]
    return {"y": x * logistic(x)}


def backward_reference(shape: Shape, inputs: Arrays) -> Arrays:
    x, s = inputs["x"], logistic(inputs["x"])
    return {"gx": inputs["gy"] * s * (1 + x * logistic(-x))}


def least(shape: Shape) -> Cost:
    """x in once, y out once."""
    return Cost(bytes=2 * shape["N"] * shape.element_bytes, special=2 * shape["N"], launches=1)


def backward_least(shape: Shape) -> Cost:
    """x and gy in once, gx out once."""
    return Cost(bytes=3 * shape["N"] * shape.element_bytes, special=2 * shape["N"], launches=1)


OPERATION = Operation(
    name="silu",
    title="SiLU",
    equation="y = x σ(x)",
    axes={"N": 1 << 22},
    small={"N": 1001},
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 1e-6, "bfloat16": 4e-3},
    regimes=("normal", "saturated"),
    passes=(
        Pass(
            name="backward",
            equation="gx = gy σ(x) (1 + x σ(-x))",
            tensors=backward_tensors,
            make_inputs=backward_inputs,
            reference=backward_reference,
            least=backward_least,
            baseline="eager",
            tolerance={"float32": 2e-6, "bfloat16": 4e-3},
        ),
    ),
)
