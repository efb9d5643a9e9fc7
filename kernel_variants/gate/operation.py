"""The gates: a and b of the recurrence from the layer's input, one matrix product and a few special functions.

    k, v = x w^T + bias          a = sigma(-k)          b = sigma(k) g(v)

w[0] and bias[0] make k, the gate logit; w[1] and bias[1] make v, the candidate's pre-activation. The gates are
float32 whatever the dtype that crosses memory (see `kernel_variants/equations.py` for g and for why a is not 1 - z).
"""

from __future__ import annotations

import numpy as np

from kernel_variants import equations, experiment
from kernel_variants.scan.cells import FLOPS_PER_GATE_PAIR, LEAST_SPECIAL_PER_GATE_PAIR, SPECIAL_PER_GATE_PAIR
from workbench.declare import Arrays, Cost, Operation, Shape, Tensor

GATE_SPECIAL = SPECIAL_PER_GATE_PAIR
"""Special functions an element, as include/gates.cuh computes both gates together."""
GATE_FLOPS = FLOPS_PER_GATE_PAIR + 2
"""Other operations an element, with the two biases."""

BIAS_SPREAD = 0.2
"""Standard deviation of random biases: part of the unit variance of a pre-activation, and enough to see one missed."""


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, D, H = shape["B"], shape["T"], shape["D"], shape["H"]
    return (
        Tensor("x", (B, T, D), shape.dtype),
        Tensor("w", (2, H, D), shape.dtype),
        Tensor("bias", (2, H), shape.dtype),
        Tensor("a", (B, T, H), "float32", "output"),
        Tensor("b", (B, T, H), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """x, w, bias whose logits k are N(0, 1), N(-4, 1) ("slow"), or within a few of -100 and 100 ("saturated").

    x is N(0, 1) and w is N(0, 1/D) less the variance of the bias. The slow regime's shift stands in the bias.
    """
    B, T, D, H = shape["B"], shape["T"], shape["D"], shape["H"]
    x = random.standard_normal((B, T, D), dtype=np.float32)
    w = random.standard_normal((2, H, D), dtype=np.float32) * np.float32(np.sqrt((1 - BIAS_SPREAD**2) / D))
    bias = random.standard_normal((2, H), dtype=np.float32) * np.float32(BIAS_SPREAD)
    if regime == "slow":
        bias[0] -= 4.0
    elif regime == "saturated":
        _saturate(x, w)
    return {"x": x, "w": w, "bias": bias}


def _saturate(x: equations.Array, w: equations.Array) -> None:
    """The first feature becomes a sign for every step and weighs 100 times a sign for every channel.

    The first and last of either sign differ: were all logits alike, all of `a` or all of `b` would be as good as 0.
    """
    of_step, of_channel = np.sign(x[..., 0]).reshape(-1), np.sign(w[0, :, 0])
    for signs in (of_step, of_channel):
        if signs.size > 1:
            signs[-1] = -signs[0]
    x[..., 0] = of_step.reshape(x.shape[:-1])
    w[0, :, 0] = 100.0 * of_channel


def preactivations(x: equations.Array, w: equations.Array, bias: equations.Array) -> equations.Array:
    """x (B, T, D), w (2, H, D), bias (2, H) → kv (B, T, 2, H)."""
    B, T, D = x.shape
    kv = x.reshape(B * T, D) @ w.reshape(-1, D).T
    return kv.reshape(B, T, *bias.shape) + bias


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = equations.gates(preactivations(inputs["x"], inputs["w"], inputs["bias"]))
    return {"a": a, "b": b}


def elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["H"]


def input_elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["D"]


def weight_elements(shape: Shape) -> int:
    """w and bias."""
    return 2 * shape["H"] * (shape["D"] + 1)


def gate_bytes(shape: Shape) -> int:
    """x, w and bias read once, a and b written once in float32."""
    return (input_elements(shape) + weight_elements(shape)) * shape.element_bytes + 2 * 4 * elements(shape)


def product_flops(shape: Shape) -> int:
    """Both products: 2 D multiply-adds an element."""
    return 2 * 2 * shape["D"] * elements(shape)


def least(shape: Shape) -> Cost:
    return Cost(
        bytes=gate_bytes(shape),
        flops=GATE_FLOPS * elements(shape),
        matrix_flops=product_flops(shape),
        special=LEAST_SPECIAL_PER_GATE_PAIR * elements(shape),
        launches=1,
    )


OPERATION = Operation(
    name="gate",
    title="gates of the recurrence from the layer's input",
    equation="k, v = W x + bias; a = sigma(-k), b = sigma(k) g(v)",
    axes={"B": 4, "T": 4096, "D": 1024, "H": 1024},
    small={"B": 2, "T": 35, "D": 19, "H": 33},
    presets={
        "quick": ({"B": 4, "T": 1024, "D": 512, "H": 512},),
        "gpu": ({"B": 8, "T": 4096, "D": 1024, "H": 1024, "dtype": "bfloat16"},),
        "experiment": experiment.SHAPES,
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
    regimes=("normal", "slow", "saturated"),
)
