"""The projection: the layer's output from its hidden states, one matrix product."""

from __future__ import annotations

import numpy as np

from kernel_variants import experiment
from kernel_variants.projection.backward import BACKWARD
from kernel_variants.projection.weights import make_weights
from workbench.declare import Arrays, Cost, Operation, Shape, Tensor


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H, O = shape["B"], shape["T"], shape["H"], shape["O"]
    return (
        Tensor("h", (B, T, H), shape.dtype),
        Tensor("w_out", (O, H), shape.dtype),
        Tensor("bias_out", (O,), shape.dtype),
        Tensor("y", (B, T, O), shape.dtype, "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return {"h": random.standard_normal((B, T, H), dtype=np.float32), **make_weights(shape, random)}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    h, w_out = inputs["h"], inputs["w_out"]
    B, T, H = h.shape
    y = h.reshape(B * T, H) @ w_out.T + inputs["bias_out"]
    return {"y": y.reshape(B, T, w_out.shape[0])}


def projection_bytes(shape: Shape) -> int:
    """h, w_out and bias_out read once, y written once."""
    rows, H, O = shape["B"] * shape["T"], shape["H"], shape["O"]
    return (rows * H + O * (H + 1) + rows * O) * shape.element_bytes


def least(shape: Shape) -> Cost:
    outputs = shape["B"] * shape["T"] * shape["O"]
    return Cost(bytes=projection_bytes(shape), flops=outputs, matrix_flops=2 * shape["H"] * outputs, launches=1)


OPERATION = Operation(
    name="projection",
    title="the layer's output from its hidden states",
    equation="y = W_o h + bias_o",
    axes={"B": 4, "T": 4096, "H": 1024, "O": 1024},
    small={"B": 2, "T": 35, "H": 33, "O": 17},
    presets={
        "quick": ({"B": 4, "T": 1024, "H": 512, "O": 512},),
        "gpu": ({"B": 8, "T": 4096, "H": 1024, "O": 1024, "dtype": "bfloat16"},),
        "experiment": experiment.SHAPES,
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="eager",
    tolerance={"float32": 1e-6, "bfloat16": 3e-3},
    passes=(BACKWARD,),
)
