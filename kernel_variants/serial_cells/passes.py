"""The layer of a serial cell as an operation, with training as a further pass: x (B, T, D) → h (B, T, H)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from kernel_variants.equations import Array
from kernel_variants.serial_cells.cells import SerialCell
from workbench.declare import Arrays, Cost, Operation, Pass, Shape, Tensor

LOOSE = {"float32": 1e-5, "bfloat16": 3e-2}
"""Looser than the ladder's: a library keeps the state of every step, and its gradient, in the layer's dtype."""
PRESETS: Mapping[str, tuple[Mapping[str, int | str], ...]] = {
    "quick": (),
    "gpu": ({"B": 8, "T": 1024, "D": 1024, "H": 1024, "dtype": "bfloat16"},),
}


def tensors(cell: SerialCell, shape: Shape) -> tuple[Tensor, ...]:
    B, T, D, H = (shape[axis] for axis in "BTDH")
    return (
        Tensor("x", (B, T, D), shape.dtype),
        Tensor("w", (cell.gates * H, D), shape.dtype, "parameter"),
        Tensor("u", (cell.gates * H, H), shape.dtype, "parameter"),
        Tensor("bias", (2, cell.gates * H), shape.dtype, "parameter"),
        Tensor("h", (B, T, H), shape.dtype, "output"),
    )


def training_tensors(cell: SerialCell, shape: Shape) -> tuple[Tensor, ...]:
    """Also gh, what the loss says of h, and the gradients of all that is given."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    return (
        *tensors(cell, shape)[:-1],
        Tensor("gh", (B, T, H), shape.dtype),
        Tensor("h", (B, T, H), shape.dtype, "output"),
        Tensor("dx", (B, T, D), shape.dtype, "output"),
        Tensor("dw", (cell.gates * H, D), "float32", "output"),
        Tensor("du", (cell.gates * H, H), "float32", "output"),
        Tensor("dbias", (2, cell.gates * H), "float32", "output"),
    )


def make_inputs(cell: SerialCell, shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """x N(0, 1), weights and biases uniform within ±1/sqrt(H) as torch draws them."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    bound = H**-0.5

    def uniform(*size: int) -> Array:
        return random.uniform(-bound, bound, size).astype(np.float32)

    x = random.standard_normal((B, T, D), dtype=np.float32)
    rows = cell.gates * H
    return {"x": x, "w": uniform(rows, D), "u": uniform(rows, H), "bias": uniform(2, rows)}


def make_training_inputs(cell: SerialCell, shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    size = tuple(shape[axis] for axis in "BTH")
    made = make_inputs(cell, shape, regime, random)
    return {**made, "gh": random.standard_normal(size, dtype=np.float32)}


def _forward(cell: SerialCell, shape: Shape, inputs: Arrays) -> tuple[Array, list[list[Array]]]:
    """h (B, T, H), and of each step what is kept, with the states before it."""
    B, T, H = (shape[axis] for axis in "BTH")
    p = inputs["x"] @ inputs["w"].T + inputs["bias"][0]
    state, inner, h = np.zeros((B, H)), np.zeros((B, H)), np.empty((B, T, H))
    steps = []
    for t in range(T):
        q = state @ inputs["u"].T + inputs["bias"][1]
        before = [state, inner]
        p_rows, q_rows = (np.split(of, cell.gates, axis=1) for of in (p[:, t], q))
        state, inner, kept = cell.forward(p_rows, q_rows, state, inner)
        h[:, t] = state
        steps.append([*before, *kept])
    return h, steps


def reference(cell: SerialCell, shape: Shape, inputs: Arrays) -> Arrays:
    return {"h": _forward(cell, shape, inputs)[0]}


def training_reference(cell: SerialCell, shape: Shape, inputs: Arrays) -> Arrays:
    """Backpropagation through time, written out."""
    x, w, u, gh = (inputs[name] for name in ("x", "w", "u", "gh"))
    B, T, H = (shape[axis] for axis in "BTH")
    h, steps = _forward(cell, shape, inputs)
    dp, dq = np.empty((2, B, T, cell.gates * H))
    dh, ds = np.zeros((B, H)), np.zeros((B, H))
    for t in reversed(range(T)):
        state, inner, *kept = steps[t]
        back = cell.backward(dh + gh[:, t], ds, kept, state, inner)
        dp[:, t], dq[:, t] = np.concatenate(back.p, axis=1), np.concatenate(back.q, axis=1)
        dh, ds = dq[:, t] @ u + back.h, back.s
    before = np.stack([state for state, *_ in steps], axis=1)
    return {
        "h": h,
        "dx": dp @ w,
        "dw": np.einsum("btg,btd->gd", dp, x),
        "du": np.einsum("btg,bth->gh", dq, before),
        "dbias": np.stack((dp.sum((0, 1)), dq.sum((0, 1)))),
    }


def product_flops(cell: SerialCell, shape: Shape) -> int:
    """Of all products forwards, in B T steps."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    return 2 * cell.gates * H * (D + H) * B * T


def elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["H"]


def least(cell: SerialCell, shape: Shape) -> Cost:
    """x and weights in, h out; the recurrent product is a step's, and the steps wait for each other."""
    return Cost(
        bytes=sum(tensor.nbytes for tensor in tensors(cell, shape)),
        flops=cell.flops * elements(shape),
        matrix_flops=product_flops(cell, shape),
        special=cell.special * elements(shape),
        launches=1,
        serial_steps=shape["T"],
    )


def training_least(cell: SerialCell, shape: Shape) -> Cost:
    """Twice the products back, and as many steps again that wait."""
    return Cost(
        bytes=sum(tensor.nbytes for tensor in training_tensors(cell, shape)),
        flops=3 * cell.flops * elements(shape),
        matrix_flops=3 * product_flops(cell, shape),
        special=cell.special * elements(shape),
        launches=1,
        serial_steps=2 * shape["T"],
        kept_bytes=shape["B"] * shape["T"] * shape["D"] * shape.element_bytes + kept_bytes(cell, shape),
    )


def kept_bytes(cell: SerialCell, shape: Shape) -> int:
    """h, and in float32 what the gates were."""
    return elements(shape) * (shape.element_bytes + 4 * cell.kept)


def operation(cell: SerialCell) -> Operation:
    return Operation(
        name=cell.name,
        title=cell.title,
        equation=cell.equation,
        axes={"B": 4, "T": 4096, "D": 1024, "H": 1024},
        small={"B": 2, "T": 35, "D": 19, "H": 33},
        presets=PRESETS,
        tensors=partial(tensors, cell),
        make_inputs=partial(make_inputs, cell),
        reference=partial(reference, cell),
        least=partial(least, cell),
        baseline="torch",
        tolerance=LOOSE,
        depth=lambda shape: shape["T"],
        passes=(
            Pass(
                name="training",
                equation="h and the gradients of x, W, U, b, c: 2 T products that wait for each other",
                tensors=partial(training_tensors, cell),
                make_inputs=partial(make_training_inputs, cell),
                reference=partial(training_reference, cell),
                least=partial(training_least, cell),
                baseline="torch",
                tolerance=LOOSE,
                depth=lambda shape: 2 * shape["T"],
            ),
        ),
    )
