"""A GRU layer: what a recurrent layer costs whose gates need the state, so that time cannot be split.

It is another cell than the ladder's, here for its time beside the layer's: same axes, x (B, T, D) → h (B, T, H).

    r = sigma(W_r x + b_r + U_r h + c_r)        z = sigma(W_z x + b_z + U_z h + c_z)
    n = tanh(W_n x + b_n + r (U_n h + c_n))     h_t = (1 - z) n + z h_{t-1}

Weights lie as in torch.nn.GRU: rows r, z, n; the state starts at zero.
"""

from __future__ import annotations

import numpy as np

from kernel_variants import equations
from workbench.declare import Arrays, Cost, Operation, Shape, Tensor

GATES = 3


def tensors(shape: Shape, gates: int = GATES) -> tuple[Tensor, ...]:
    B, T, D, H = (shape[axis] for axis in "BTDH")
    return (
        Tensor("x", (B, T, D), shape.dtype),
        Tensor("w", (gates * H, D), shape.dtype),
        Tensor("u", (gates * H, H), shape.dtype),
        Tensor("bias", (2, gates * H), shape.dtype),
        Tensor("h", (B, T, H), shape.dtype, "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator, gates: int = GATES) -> Arrays:
    """x N(0, 1), weights and biases uniform within ±1/sqrt(H) as torch.nn.GRU draws them."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    bound = H**-0.5

    def uniform(*size: int) -> equations.Array:
        return random.uniform(-bound, bound, size).astype(np.float32)

    x = random.standard_normal((B, T, D), dtype=np.float32)
    return {"x": x, "w": uniform(gates * H, D), "u": uniform(gates * H, H), "bias": uniform(2, gates * H)}


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    x, w, u, (offset, recurrent) = (inputs[name] for name in ("x", "w", "u", "bias"))
    B, T, H = (shape[axis] for axis in "BTH")
    from_input = x @ w.T + offset
    state, h = np.zeros((B, H)), np.empty((B, T, H))
    for t in range(T):
        from_state = state @ u.T + recurrent
        r = equations.sigmoid(from_input[:, t, :H] + from_state[:, :H])
        z = equations.sigmoid(from_input[:, t, H : 2 * H] + from_state[:, H : 2 * H])
        n = np.tanh(from_input[:, t, 2 * H :] + r * from_state[:, 2 * H :])
        state = (1 - z) * n + z * state
        h[:, t] = state
    return {"h": h}


def least(shape: Shape, gates: int = GATES) -> Cost:
    """x and weights in, h out; the recurrent product is a step's, and the steps wait for each other."""
    B, T, D, H = (shape[axis] for axis in "BTDH")
    weights = gates * H * (D + H + 2)
    return Cost(
        bytes=(B * T * (D + H) + weights) * shape.element_bytes,
        flops=12 * B * T * H,
        matrix_flops=2 * gates * H * (D + H) * B * T,
        special=gates * B * T * H,
        launches=1,
        serial_steps=T,
    )


OPERATION = Operation(
    name="gru",
    title="a GRU layer: gates that need the state",
    equation="h_t = (1 - z) n + z h_{t-1}; z, r, n of x_t and h_{t-1}",
    axes={"B": 4, "T": 4096, "D": 1024, "H": 1024},
    small={"B": 2, "T": 35, "D": 19, "H": 33},
    presets={
        "quick": (),
        "gpu": ({"B": 8, "T": 1024, "D": 1024, "H": 1024, "dtype": "bfloat16"},),
    },
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="torch",
    # Looser than the ladder's: a library keeps the state of every step in the layer's dtype.
    tolerance={"float32": 1e-5, "bfloat16": 3e-2},
    depth=lambda shape: shape["T"],
)
