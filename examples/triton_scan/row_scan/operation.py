"""A linear recurrence along every row: what a Triton kernel looks like beside CUDA and torch.

workbench build --kernels examples/triton_scan     compiles it for any GPU, without one
workbench sweep --kernels examples/triton_scan     times it where there is one
"""

from __future__ import annotations

import numpy as np

from workbench.declare import Arrays, Cost, Operation, Shape, Tensor


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    size = (shape["rows"], shape["T"])
    return Tensor("a", size, "float32"), Tensor("b", size, shape.dtype), Tensor("h", size, shape.dtype, "output")


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """Decays in (0, 1), uniform, or all within 0.02 of 1: then a row remembers hundreds of steps."""
    size = (shape["rows"], shape["T"])
    a = random.random(size, dtype=np.float32)
    return {"a": 1 - 0.02 * a if regime == "slow" else a, "b": random.standard_normal(size, dtype=np.float32)}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    h = np.empty(inputs["b"].shape)
    state = np.zeros(shape["rows"])
    for t in range(shape["T"]):
        state = inputs["a"][:, t] * state + inputs["b"][:, t]
        h[:, t] = state
    return {"h": h}


def least(shape: Shape) -> Cost:
    """a and b in once, h out once; a fused multiply-add per element."""
    elements = shape["rows"] * shape["T"]
    return Cost(bytes=(4 + 2 * shape.element_bytes) * elements, flops=2 * elements, launches=1)


OPERATION = Operation(
    name="row_scan",
    title="linear recurrence along rows",
    equation="h_t = a_t h_{t-1} + b_t",
    axes={"rows": 4096, "T": 2048},
    small={"rows": 5, "T": 301},
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 2e-6, "bfloat16": 4e-3},
    regimes=("uniform", "slow"),
)
