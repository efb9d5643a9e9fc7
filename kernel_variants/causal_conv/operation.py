"""A causal depthwise convolution over four steps: the cheapest thing that mixes time, beside what a scan costs.

x (B, T, H), H contiguous like the scan's; every channel has its own four weights. Steps before the first are zero.
"""

from __future__ import annotations

import numpy as np

from workbench.declare import Arrays, Cost, Operation, Shape, Tensor

WIDTH = 4


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("x", (B, T, H), shape.dtype),
        Tensor("w", (H, WIDTH), shape.dtype),
        Tensor("bias", (H,), shape.dtype),
        Tensor("y", (B, T, H), shape.dtype, "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return {
        "x": random.standard_normal((B, T, H), dtype=np.float32),
        "w": random.standard_normal((H, WIDTH), dtype=np.float32) / np.float32(np.sqrt(WIDTH)),
        "bias": random.standard_normal((H,), dtype=np.float32),
    }


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    x, w = inputs["x"], inputs["w"]
    y = np.broadcast_to(inputs["bias"], x.shape).copy()
    for back in range(min(WIDTH, x.shape[1])):
        y[:, back:] += w[:, WIDTH - 1 - back] * x[:, : x.shape[1] - back]
    return {"y": y}


def least(shape: Shape) -> Cost:
    elements = shape["B"] * shape["T"] * shape["H"]
    weights = shape["H"] * (WIDTH + 1)
    return Cost((2 * elements + weights) * shape.element_bytes, flops=2 * WIDTH * elements, launches=1)


OPERATION = Operation(
    name="causal_conv",
    title="causal depthwise convolution over four steps",
    equation="y_t = bias + w_3 x_t + w_2 x_{t-1} + w_1 x_{t-2} + w_0 x_{t-3}",
    axes={"B": 4, "T": 4096, "H": 1024},
    small={"B": 2, "T": 67, "H": 33},
    presets={
        "quick": (),
        "gpu": ({"B": 8, "T": 4096, "H": 1024, "dtype": "bfloat16"},),
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="torch",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
)
