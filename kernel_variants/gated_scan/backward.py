"""Backwards through gates and scan in one: gradients of k, v and h0 from those of h and h_last.

    dk_t = lambda_t (c_t - h_{t-1}) sigma(k_t) sigma(-k_t)      dv_t = lambda_t sigma(k_t) g'(v_t)

with c = g(v) and lambda as in the scan's backward pass. What the forward pass keeps are kv and h. Least traffic of an
algorithm that reads them: k, v, h and gh in, dk and dv out, 6 values per element. h can be made of k and v again, so
that the least of all is 5.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kernel_variants import equations
from kernel_variants.scan.backward import STATES
from kernel_variants.scan.cells import GATED_SCAN_BACKWARD, LEAST_SPECIAL_PER_GATE_PAIR
from workbench.declare import Arrays, Cost, Pass, Shape, Tensor, Tolerance

VANISHED = 1e-24
"""A saturated gate's slope e^-100 may be e^-60: gradients of that size are 0 beside any other (exponential.hpp)."""


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("kv", (B, T, 2, H), shape.dtype, "saved"),
        Tensor("h", (B, T, H), shape.dtype, "saved"),
        Tensor("h0", (B, H), "float32"),
        Tensor("gh", (B, T, H), shape.dtype),
        Tensor("gh_last", (B, H), "float32", optional=True),
        Tensor("dkv", (B, T, 2, H), shape.dtype, "output"),
        Tensor("dh0", (B, H), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """The forward pass's inputs of the same regime, the states that follow from them, and gradients of N(0, 1).

    kv is rounded before states are made of it, and h0 is always there: h then belongs to what a variant is given.
    """
    B, T, H = shape["B"], shape["T"], shape["H"]
    kv = equations.rounded(equations.random_preactivations((B, T, 2, H), regime, random), shape.dtype)
    h0 = random.standard_normal((B, H), dtype=np.float32)
    a, b = equations.gates(kv.astype(np.float64))
    h, _ = equations.scan(a, b, h0)
    return {
        "kv": kv,
        "h": h.astype(np.float32),
        "h0": h0,
        "gh": random.standard_normal((B, T, H), dtype=np.float32),
        "gh_last": random.standard_normal((B, H), dtype=np.float32),
    }


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    """The gradient of the function of kv and h0: by states made of them in float64, not by the h that was kept."""
    kv, h0 = inputs["kv"], inputs.get("h0")
    a, b = equations.gates(kv)
    h, _ = equations.scan(a, b, h0)
    da, db, dh0 = equations.scan_backward(a, h, h0, inputs["gh"], inputs.get("gh_last"))
    return {"dkv": equations.gates_backward(kv, da, db), "dh0": dh0}


def least(shape: Shape) -> Cost:
    """k, v and gh in, dk and dv out, h made again."""
    n = shape["B"] * shape["T"] * shape["H"]
    states = STATES * 4 * shape["B"] * shape["H"]
    cost = GATED_SCAN_BACKWARD.cost(shape, launches=1, serial_steps=0)
    return replace(cost, bytes=5 * n * shape.element_bytes + states, special=LEAST_SPECIAL_PER_GATE_PAIR * n)


BACKWARD = Pass(
    name="backward",
    equation="dk = lambda (g(v) - h_{t-1}) sigma(k) sigma(-k), dv = lambda sigma(k) g'(v)",
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="autograd",
    tolerance={"float32": Tolerance(2e-6, VANISHED), "bfloat16": Tolerance(4e-3, VANISHED)},
)
