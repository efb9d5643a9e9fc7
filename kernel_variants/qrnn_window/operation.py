"""QRNN's convolutions over time: every row of pre-activations from a causal window of inputs.

    pre_t = bias + sum over j < window of x_{t-j} w_j^T

x (B, T, D), w (window, rows, H, D), the newest input's weights first, pre (B, T, rows, H). Inputs before the first step
are 0. With a window of 1 it is the product of every other cell here; with one row it is a convolution over words.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kernel_variants import equations
from kernel_variants.equations import Array
from workbench.declare import Arrays, Cost, Operation, Pass, Role, Shape, Tensor

BIAS_SPREAD = 0.2


def _read(shape: Shape, role: Role, w_role: Role) -> tuple[Tensor, ...]:
    B, T, D = shape["B"], shape["T"], shape["D"]
    return Tensor("x", (B, T, D), shape.dtype, role), Tensor("w", _weights(shape), shape.dtype, w_role)


def _weights(shape: Shape) -> tuple[int, ...]:
    return shape["window"], shape["rows"], shape["H"], shape["D"]


def _pre(shape: Shape) -> tuple[int, ...]:
    return shape["B"], shape["T"], shape["rows"], shape["H"]


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    bias = Tensor("bias", (shape["rows"], shape["H"]), shape.dtype)
    return (*_read(shape, "input", "input"), bias, Tensor("pre", _pre(shape), shape.dtype, "output"))


def tensors_backward(shape: Shape) -> tuple[Tensor, ...]:
    return (
        *_read(shape, "saved", "parameter"),
        Tensor("dpre", _pre(shape), shape.dtype),
        Tensor("dx", (shape["B"], shape["T"], shape["D"]), shape.dtype, "output"),
        Tensor("dw", _weights(shape), "float32", "output"),
        Tensor("dbias", (shape["rows"], shape["H"]), "float32", "output"),
    )


def tensors_training(shape: Shape) -> tuple[Tensor, ...]:
    """Also dpre, what the loss says of pre, and the gradients of all that is given."""
    *given, pre = tensors(shape)
    return (*given, Tensor("dpre", _pre(shape), shape.dtype), pre, *tensors_backward(shape)[-3:])


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """x N(0, 1); w such that pre is N(0, 1)."""
    spread = np.float32(np.sqrt((1 - BIAS_SPREAD**2) / (shape["D"] * shape["window"])))
    return {
        "x": random.standard_normal((shape["B"], shape["T"], shape["D"]), dtype=np.float32),
        "w": random.standard_normal(_weights(shape), dtype=np.float32) * spread,
        "bias": random.standard_normal((shape["rows"], shape["H"]), dtype=np.float32) * np.float32(BIAS_SPREAD),
    }


def make_backward(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    made = make_inputs(shape, regime, random)
    given = {name: equations.rounded(made[name], shape.dtype) for name in ("x", "w")}
    return {**given, "dpre": random.standard_normal(_pre(shape), dtype=np.float32)}


def make_training(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    return {**make_inputs(shape, regime, random), "dpre": random.standard_normal(_pre(shape), dtype=np.float32)}


def earlier(x: Array, steps: int) -> Array:
    """x_{t - steps} for every t, 0 before the first."""
    return np.concatenate((np.zeros_like(x[:, :steps]), x[:, : max(x.shape[1] - steps, 0)]), 1)


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    x, w = inputs["x"], inputs["w"]
    total = sum(np.tensordot(earlier(x, j), w[j], (2, 2)) for j in range(shape["window"]))
    return {"pre": inputs["bias"] + total}


def reference_backward(shape: Shape, inputs: Arrays) -> Arrays:
    x, w, dpre = inputs["x"], inputs["w"], inputs["dpre"]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for j in range(shape["window"]):
        dw[j] = np.tensordot(dpre, earlier(x, j), ((0, 1), (0, 1)))
        dx[:, : max(x.shape[1] - j, 0)] += np.tensordot(dpre[:, j:], w[j], ((2, 3), (0, 1)))
    return {"dx": dx, "dw": dw, "dbias": dpre.sum((0, 1))}


def reference_training(shape: Shape, inputs: Arrays) -> Arrays:
    return {**reference(shape, inputs), **reference_backward(shape, inputs)}


def product_flops(shape: Shape) -> int:
    """Of the products for all places of the window."""
    return 2 * shape["B"] * shape["T"] * shape["D"] * shape["H"] * shape["rows"] * shape["window"]


def x_elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["D"]


def w_elements(shape: Shape) -> int:
    return shape["window"] * shape["rows"] * shape["H"] * shape["D"]


def pre_elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["rows"] * shape["H"]


def least(shape: Shape) -> Cost:
    elements = x_elements(shape) + w_elements(shape) + pre_elements(shape) + shape["rows"] * shape["H"]
    return Cost(elements * shape.element_bytes, matrix_flops=product_flops(shape), launches=1)


def least_backward(shape: Shape) -> Cost:
    given = 2 * x_elements(shape) + w_elements(shape) + pre_elements(shape)
    gradients = 4 * (w_elements(shape) + shape["rows"] * shape["H"])
    kept = x_elements(shape) * shape.element_bytes
    moved = given * shape.element_bytes + gradients
    return Cost(moved, matrix_flops=2 * product_flops(shape), launches=1, kept_bytes=kept)


def least_training(shape: Shape) -> Cost:
    """x and w once for both ways."""
    given = (x_elements(shape) + w_elements(shape)) * shape.element_bytes
    both = least(shape) + least_backward(shape)
    return replace(both, bytes=both.bytes - given, launches=1)


BACKWARD = Pass(
    name="backward",
    equation="dx_t = sum over j of dpre_{t+j} w_j; dw_j = sum over t of dpre_t x_{t-j}^T; dbias = sum over t of dpre_t",
    tensors=tensors_backward,
    make_inputs=make_backward,
    reference=reference_backward,
    least=least_backward,
    baseline="autograd",
    tolerance={"float32": 2e-6, "bfloat16": 4e-3},
)

TRAINING = Pass(
    name="training",
    equation="pre and the gradients of x, w and bias",
    tensors=tensors_training,
    make_inputs=make_training,
    reference=reference_training,
    least=least_training,
    baseline="conv2d",
    tolerance={"float32": 2e-6, "bfloat16": 4e-3},
)

OPERATION = Operation(
    name="qrnn_window",
    title="QRNN's products over a causal window of inputs",
    equation="pre_t = bias + sum over j < window of W_j x_{t-j}",
    axes={"B": 4, "T": 4096, "D": 1024, "H": 1024, "window": 2, "rows": 3},
    small={"B": 2, "T": 35, "D": 19, "H": 33, "window": 3, "rows": 3},
    presets={
        "quick": (),  # the budget of minGRU's ladder
        "gpu": ({"B": 8, "T": 4096, "dtype": "bfloat16"},),
        "peers": tuple({"B": 8, "T": 4096, "window": window, "dtype": "bfloat16"} for window in (1, 4)),
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="windows",
    tolerance={"float32": 1e-6, "bfloat16": 4e-3},
    passes=(BACKWARD, TRAINING),
)
