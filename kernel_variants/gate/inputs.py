"""What every pass of the gate starts from: random inputs, pre-activations, and how many numbers there are of each."""

from __future__ import annotations

import numpy as np

from kernel_variants import equations
from workbench.declare import Arrays, Shape

BIAS_SPREAD = 0.2
"""Standard deviation of random biases: part of the unit variance of a pre-activation, and enough to see one missed."""


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


def elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["H"]


def input_elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["D"]


def weight_elements(shape: Shape) -> int:
    """w and bias."""
    return 2 * shape["H"] * (shape["D"] + 1)


def product_flops(shape: Shape) -> int:
    """Both products: 2 D multiply-adds an element."""
    return 2 * 2 * shape["D"] * elements(shape)
