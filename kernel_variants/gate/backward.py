"""Backwards through the gates: gradients of x, w and bias from those of a and b.

    dk = (db g(v) - da) sigma(k) sigma(-k)      dv = db sigma(k) g'(v)
    dx = dkv w        dw = dkv^T x        dbias = sum of dkv over all steps of all sequences

The forward pass keeps the pre-activations kv, in float32 as its product leaves them. Gradients of weights are float32
whatever the dtype: sums over B T steps.
"""

from __future__ import annotations

import numpy as np

from kernel_variants import equations
from kernel_variants.gate.inputs import elements, input_elements, make_inputs, preactivations, product_flops
from kernel_variants.scan.cells import FLOPS_PER_GATE_PAIR, LEAST_SPECIAL_PER_GATE_PAIR, SPECIAL_PER_GATE_PAIR
from workbench.declare import Arrays, Cost, Pass, Shape, Tensor

FLOPS = FLOPS_PER_GATE_PAIR + 6 + 2
"""Operations an element that make dk and dv of k, v, da and db, and add them to their bias's."""


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, D, H = shape["B"], shape["T"], shape["D"], shape["H"]
    return (
        Tensor("x", (B, T, D), shape.dtype, "saved"),
        Tensor("w", (2, H, D), shape.dtype, "parameter"),
        Tensor("kv", (B, T, 2, H), "float32", "saved"),
        Tensor("da", (B, T, H), "float32"),
        Tensor("db", (B, T, H), "float32"),
        Tensor("dx", (B, T, D), shape.dtype, "output"),
        Tensor("dw", (2, H, D), "float32", "output"),
        Tensor("dbias", (2, H), "float32", "output"),
    )


def make_backward_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """The forward pass's inputs, rounded before pre-activations are made of them; gradients of N(0, 1)."""
    made = {n: equations.rounded(a, shape.dtype) for n, a in make_inputs(shape, regime, random).items()}
    size = (shape["B"], shape["T"], shape["H"])
    kv = preactivations(*(made[name].astype(np.float64) for name in ("x", "w", "bias")))
    gradients = {name: random.standard_normal(size, dtype=np.float32) for name in ("da", "db")}
    return {"x": made["x"], "w": made["w"], "kv": kv.astype(np.float32), **gradients}


def products_backward(dkv: equations.Array, x: equations.Array, w: equations.Array) -> dict[str, equations.Array]:
    """dkv (B, T, 2, H), x (B, T, D), w (2, H, D) → dx (B, T, D), dw (2, H, D), dbias (2, H)."""
    rows, columns = dkv.reshape(x.shape[0] * x.shape[1], -1), w.reshape(-1, w.shape[-1])
    return {
        "dx": (rows @ columns).reshape(x.shape),
        "dw": (rows.T @ x.reshape(-1, x.shape[-1])).reshape(w.shape),
        "dbias": rows.sum(0).reshape(w.shape[:2]),
    }


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    dkv = equations.gates_backward(inputs["kv"], inputs["da"], inputs["db"])
    return products_backward(dkv, inputs["x"], inputs["w"])


def product_bytes(shape: Shape) -> int:
    """x and w in, dx and the gradients of weights out."""
    weights = 2 * shape["H"] * shape["D"]
    return (2 * input_elements(shape) + weights) * shape.element_bytes + 4 * (weights + 2 * shape["H"])


def moved_bytes(shape: Shape) -> int:
    """kv, da and db in besides, all float32."""
    return product_bytes(shape) + 4 * 4 * elements(shape)


def cost(shape: Shape, moved: int, launches: int, special: int = SPECIAL_PER_GATE_PAIR) -> Cost:
    """The work, which hardly differs between rungs, with what a rung moves and how often it launches."""
    kept = input_elements(shape) * shape.element_bytes + 2 * 4 * elements(shape)
    return Cost(
        bytes=moved,
        flops=FLOPS * elements(shape),
        matrix_flops=2 * product_flops(shape),
        special=special * elements(shape),
        launches=launches,
        kept_bytes=kept,
    )


def least(shape: Shape) -> Cost:
    return cost(shape, moved_bytes(shape), 1, LEAST_SPECIAL_PER_GATE_PAIR)


BACKWARD = Pass(
    name="backward",
    equation="dk = (db g(v) - da) sigma(k) sigma(-k), dv = db sigma(k) g'(v); dx = dkv W, dW = dkv^T x",
    tensors=tensors,
    make_inputs=make_backward_inputs,
    reference=reference,
    least=least,
    baseline="autograd",
    tolerance={"float32": 2e-6, "bfloat16": 4e-3},
)
