"""The layer of a serial cell as an operation, with training as a further pass: x (B, T, D) → h (B, T, H).

States come in as h0, of an LSTM also s0, and go out as h_last and s_last, (B, H) float32 each: a sequence cut in two
and carried is the whole one, in gradients too, where gh_last and gs_last are the later part's dh0 and ds0.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from kernel_variants.equations import Array
from kernel_variants.serial_cells.cells import SerialCell
from workbench.declare import Arrays, Cost, Operation, Pass, Role, Shape, Tensor

LOOSE = {"float32": 1e-5, "bfloat16": 3e-2}
"""Looser than the ladder's: a library keeps the state of every step, and its gradient, in the layer's dtype. Rungs of
our own are held to less in their tests."""
OF_FIRST_STATES = 2
"""Products back to what was given before the first step: of h0 in du, and of dh0."""
PRESETS: Mapping[str, tuple[Mapping[str, int | str], ...]] = {
    "quick": (),
    "gpu": ({"B": 8, "T": 1024, "D": 1024, "H": 1024, "dtype": "bfloat16"},),
}


def _given(cell: SerialCell, shape: Shape) -> tuple[Tensor, ...]:
    B, T, D, H = (shape[axis] for axis in "BTDH")
    return (
        Tensor("x", (B, T, D), shape.dtype),
        Tensor("w", (cell.gates * H, D), shape.dtype, "parameter"),
        Tensor("u", (cell.gates * H, H), shape.dtype, "parameter"),
        Tensor("bias", (2, cell.gates * H), shape.dtype, "parameter"),
    )


def _of_states(
    cell: SerialCell, shape: Shape, name: str, role: Role = "input", optional: bool = False
) -> tuple[Tensor, ...]:
    """One for each state, its `name` with the state's in place of {}."""
    size = (shape["B"], shape["H"])
    return tuple(Tensor(name.format(state), size, "float32", role, optional) for state in cell.states)


def _values(cell: SerialCell, shape: Shape) -> tuple[Tensor, ...]:
    h = Tensor("h", (shape["B"], shape["T"], shape["H"]), shape.dtype, "output")
    return h, *_of_states(cell, shape, "{}_last", "output")


def tensors(cell: SerialCell, shape: Shape) -> tuple[Tensor, ...]:
    return *_given(cell, shape), *_of_states(cell, shape, "{}0", optional=True), *_values(cell, shape)


def training_tensors(cell: SerialCell, shape: Shape) -> tuple[Tensor, ...]:
    """Also what the loss says of h and of the last states, and the gradients of all that is given."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    return (
        *_given(cell, shape),
        *_of_states(cell, shape, "{}0"),
        Tensor("gh", (B, T, H), shape.dtype),
        *_of_states(cell, shape, "g{}_last", optional=True),
        *_values(cell, shape),
        Tensor("dx", (B, T, D), shape.dtype, "output"),
        Tensor("dw", (cell.gates * H, D), "float32", "output"),
        Tensor("du", (cell.gates * H, H), "float32", "output"),
        Tensor("dbias", (2, cell.gates * H), "float32", "output"),
        *_of_states(cell, shape, "d{}0", "output"),
    )


def make_inputs(cell: SerialCell, shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """x and first states N(0, 1), weights and biases uniform within ±1/sqrt(H) as torch draws them.

    Slow: logits shifted so that gates hold the state, of a plain RNN U near the identity and small inputs. Saturated:
    logits of each gate and channel are shifted by one of -100, 0 and 100: where nothing is left between the ends of
    every gate, no gradient is left either. What holds an inner state for ever does not write to it: gradients through
    such a state grow exponentially with T, and with them what any kernel has rounded.
    """
    B, T, D, H = (shape[axis] for axis in "BTDH")
    bound = H**-0.5

    def uniform(*size: int) -> Array:
        return random.uniform(-bound, bound, size).astype(np.float32)

    x = random.standard_normal((B, T, D), dtype=np.float32)
    rows = cell.gates * H
    made = {"x": x, "w": uniform(rows, D), "u": uniform(rows, H), "bias": uniform(2, rows)}
    if regime == "slow" and not cell.slow:
        made["x"] *= np.float32(0.1)
        made["u"] = np.float32(0.25) * made["u"] + np.float32(0.9) * np.eye(H, dtype=np.float32)
    elif regime == "slow":
        made["bias"][0] += np.repeat(np.asarray(cell.slow, np.float32), H)
    elif regime == "saturated":
        ends = random.choice(np.asarray((-100, 0, 100), np.float32), (cell.gates, H))
        if cell.writes_and_holds is not None:
            writes, holds = cell.writes_and_holds
            ends[writes, ends[holds] == 100] = -100
        made["bias"][0] += np.where(np.array(cell.saturates)[:, None], ends, np.float32(0)).ravel()
    return made | {f"{state}0": random.standard_normal((B, H), dtype=np.float32) for state in cell.states}


def make_training_inputs(cell: SerialCell, shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    size = tuple(shape[axis] for axis in "BTH")
    made = make_inputs(cell, shape, regime, random)
    incoming = {f"g{state}_last": random.standard_normal(size[::2], dtype=np.float32) for state in cell.states}
    return {**made, "gh": random.standard_normal(size, dtype=np.float32), **incoming}


def _both(shape: Shape, inputs: Arrays, name: str) -> tuple[Array, Array]:
    """h's and the inner state's, 0 where there is none."""
    none = np.zeros((shape["B"], shape["H"]))
    h, s = (inputs.get(name.format(state), none) for state in "hs")
    return h, s


def _forward(cell: SerialCell, shape: Shape, inputs: Arrays) -> tuple[dict[str, Array], list[list[Array]]]:
    """h (B, T, H) and the last states, and of each step what is kept, with the states before it."""
    B, T, H = (shape[axis] for axis in "BTH")
    p = inputs["x"] @ inputs["w"].T + inputs["bias"][0]
    (state, inner), h = _both(shape, inputs, "{}0"), np.empty((B, T, H))
    steps = []
    for t in range(T):
        q = state @ inputs["u"].T + inputs["bias"][1]
        before = [state, inner]
        p_rows, q_rows = (np.split(of, cell.gates, axis=1) for of in (p[:, t], q))
        state, inner, kept = cell.forward(p_rows, q_rows, state, inner)
        h[:, t] = state
        steps.append([*before, *kept])
    last = zip(cell.states, (state, inner), strict=False)
    return {"h": h, **{f"{name}_last": value for name, value in last}}, steps


def reference(cell: SerialCell, shape: Shape, inputs: Arrays) -> Arrays:
    return _forward(cell, shape, inputs)[0]


def training_reference(cell: SerialCell, shape: Shape, inputs: Arrays) -> Arrays:
    """Backpropagation through time, written out."""
    x, w, u, gh = (inputs[name] for name in ("x", "w", "u", "gh"))
    B, T, H = (shape[axis] for axis in "BTH")
    values, steps = _forward(cell, shape, inputs)
    dp, dq = np.empty((2, B, T, cell.gates * H))
    dh, ds = _both(shape, inputs, "g{}_last")
    for t in reversed(range(T)):
        state, inner, *kept = steps[t]
        back = cell.backward(dh + gh[:, t], ds, kept, state, inner)
        dp[:, t], dq[:, t] = np.concatenate(back.p, axis=1), np.concatenate(back.q, axis=1)
        dh, ds = dq[:, t] @ u + back.h, back.s
    before = np.stack([state for state, *_ in steps], axis=1)
    return {
        **values,
        "dx": dp @ w,
        "dw": np.einsum("btg,btd->gd", dp, x),
        "du": np.einsum("btg,bth->gh", dq, before),
        "dbias": np.stack((dp.sum((0, 1)), dq.sum((0, 1)))),
        **{f"d{name}0": gradient for name, gradient in zip(cell.states, (dh, ds), strict=False)},
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
        regimes=("normal", "slow", "saturated"),
        depth=lambda shape: shape["T"],
        passes=(
            Pass(
                name="training",
                equation="h, the last states, and the gradients of x, W, U, b, c and the first states: 2 T products "
                "that wait for each other",
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
