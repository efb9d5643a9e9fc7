"""Backwards through the projection: gradients of h, W_o and bias_o from that of y.

    dh = gy W_o        dW_o = gy^T h        dbias_o = sum of gy over all steps of all sequences

Gradients of weights are float32 whatever the dtype: sums over B T steps, which an optimiser adds to float32 weights.
"""

from __future__ import annotations

import numpy as np

from kernel_variants.projection.weights import make_weights
from workbench.declare import Arrays, Cost, Pass, Shape, Tensor


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H, O = shape["B"], shape["T"], shape["H"], shape["O"]
    return (
        Tensor("h", (B, T, H), shape.dtype, "saved"),
        Tensor("w_out", (O, H), shape.dtype, "parameter"),
        Tensor("gy", (B, T, O), shape.dtype),
        Tensor("dh", (B, T, H), shape.dtype, "output"),
        Tensor("dw_out", (O, H), "float32", "output"),
        Tensor("dbias_out", (O,), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """The forward pass's, and a gradient of N(0, 1)."""
    B, T, H, O = shape["B"], shape["T"], shape["H"], shape["O"]
    return {
        "h": random.standard_normal((B, T, H), dtype=np.float32),
        "w_out": make_weights(shape, random)["w_out"],
        "gy": random.standard_normal((B, T, O), dtype=np.float32),
    }


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    h, w_out, gy = inputs["h"], inputs["w_out"], inputs["gy"]
    rows = gy.reshape(-1, gy.shape[-1])
    return {
        "dh": (rows @ w_out).reshape(h.shape),
        "dw_out": rows.T @ h.reshape(-1, h.shape[-1]),
        "dbias_out": rows.sum(0),
    }


def moved_bytes(shape: Shape, gy_reads: int = 1) -> int:
    """gy, h and w_out in, dh and the gradients of weights out."""
    rows, H, O = shape["B"] * shape["T"], shape["H"], shape["O"]
    return (gy_reads * rows * O + 2 * rows * H + O * H) * shape.element_bytes + 4 * O * (H + 1)


def kept_bytes(shape: Shape) -> int:
    """h."""
    return shape["B"] * shape["T"] * shape["H"] * shape.element_bytes


def cost(shape: Shape, bytes: int, launches: int, serial_steps: int = 0) -> Cost:
    outputs = shape["B"] * shape["T"] * shape["O"]
    return Cost(
        bytes=bytes,
        flops=outputs,
        matrix_flops=2 * 2 * shape["H"] * outputs,
        launches=launches,
        serial_steps=serial_steps,
        kept_bytes=kept_bytes(shape),
    )


def least(shape: Shape) -> Cost:
    return cost(shape, moved_bytes(shape), 1)


BACKWARD = Pass(
    name="backward",
    equation="dh = gy W_o; dW_o = gy^T h; dbias_o = sum gy",
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="autograd",
    tolerance={"float32": 2e-6, "bfloat16": 4e-3},
)
