"""minLSTM's scan backwards: gradients of k_f, k_i, v and h0 from those of h and h_last.

With a = f / (f + i), z = i / (f + i), c = g(v) and lambda as in the scan's backward pass:

    s = lambda_t (h_{t-1} - c_t) a_t z_t
    dk_f = s sigma(-k_f)      dk_i = -s sigma(-k_i)      dv = lambda_t z_t g'(v_t)

Kept are pre and h. Least traffic of an algorithm that reads them is 8 values per element; h can be made of pre again,
so that the least of all is 7.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kernel_variants import equations
from kernel_variants.equations import Array
from kernel_variants.gated_scan.backward import VANISHED
from kernel_variants.minlstm_scan.cell import BACKWARD_CELL, LEAST_SPECIAL, PARTS
from workbench.declare import Arrays, Cost, Pass, Shape, Tensor, Tolerance


def candidate_and_gates(pre: Array) -> tuple[Array, Array, Array]:
    """pre (B, T, 3, H) → a, z, c (B, T, H)."""
    k_f, k_i, v = (pre[..., part, :] for part in range(PARTS))
    logit = _logit(k_f, k_i)
    return equations.sigmoid(logit), equations.sigmoid(-logit), equations.candidate(v)


@equations.in_pieces
def _logit(k_f: Array, k_i: Array) -> Array:
    """ln(f / i), of which a is the sigmoid."""
    return np.logaddexp(0, -k_i) - np.logaddexp(0, -k_f)


def random_preactivations(shape: Shape, regime: str, random: np.random.Generator) -> Array:
    """float32 (B, T, 3, H): all N(0, 1); slow: k_i of N(-4, 1); saturated: k_f and k_i one of -100 and 100 each."""
    pre = random.standard_normal((shape["B"], shape["T"], PARTS, shape["H"]), dtype=np.float32)
    if regime == "slow":
        pre[..., 1, :] -= 4.0
    elif regime == "saturated":
        pre[..., :2, :] = np.where(pre[..., :2, :] > 0, 100.0, -100.0)
    return pre


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("pre", (B, T, PARTS, H), shape.dtype, "saved"),
        Tensor("h", (B, T, H), shape.dtype, "saved"),
        Tensor("h0", (B, H), "float32"),
        Tensor("gh", (B, T, H), shape.dtype),
        Tensor("gh_last", (B, H), "float32", optional=True),
        Tensor("dpre", (B, T, PARTS, H), shape.dtype, "output"),
        Tensor("dh0", (B, H), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """As the scan's, with pre rounded before states are made of it."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    pre = equations.rounded(random_preactivations(shape, regime, random), shape.dtype)
    h0 = random.standard_normal((B, H), dtype=np.float32)
    a, z, c = candidate_and_gates(pre.astype(np.float64))
    h, _ = equations.scan(a, z * c, h0)
    return {
        "pre": pre,
        "h": h.astype(np.float32),
        "h0": h0,
        "gh": random.standard_normal((B, T, H), dtype=np.float32),
        "gh_last": random.standard_normal((B, H), dtype=np.float32),
    }


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    """Of the states that follow from pre, whatever a variant was handed for h."""
    pre, h0 = inputs["pre"], inputs["h0"]
    a, z, c = candidate_and_gates(pre)
    h, _ = equations.scan(a, z * c, h0)
    da, db, dh0 = equations.scan_backward(a, h, h0, inputs["gh"], inputs.get("gh_last"))
    to_gates = (da - db * c) * a * z
    gradients = (
        to_gates * equations.sigmoid(-pre[..., 0, :]),
        -to_gates * equations.sigmoid(-pre[..., 1, :]),
        db * z * equations.candidate_slope(pre[..., 2, :]),
    )
    return {"dpre": np.stack(gradients, axis=-2), "dh0": dh0}


def least(shape: Shape) -> Cost:
    """pre and gh in, dpre out, h made again."""
    n = shape["B"] * shape["T"] * shape["H"]
    cost = BACKWARD_CELL.cost(shape, launches=1, serial_steps=0)
    return replace(cost, bytes=cost.bytes - n * shape.element_bytes, special=LEAST_SPECIAL * n)


BACKWARD = Pass(
    name="backward",
    equation="s = lambda (h_{t-1} - g(v)) a z; dk_f = s sigma(-k_f), dk_i = -s sigma(-k_i), dv = lambda z g'(v)",
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="autograd",
    tolerance={"float32": Tolerance(2e-6, VANISHED), "bfloat16": Tolerance(4e-3, VANISHED)},
)
