"""The scan's backward pass: gradients of a, b and h0 from those of h and h_last.

    lambda_t = gh_t + a_{t+1} lambda_{t+1}      db_t = lambda_t      da_t = lambda_t h_{t-1}      dh_0 = a_1 lambda_1

With mu_t = a_t lambda_t it is mu_t = a_t mu_{t+1} + a_t gh_t: the forward scan from the end of time, its input a gh.
What the forward pass keeps for it are a and h. Least traffic: a, gh and h in, da and db out, 5 values per element.
"""

from __future__ import annotations

import numpy as np

from kernel_variants import equations
from workbench.declare import Arrays, Cost, Pass, Shape, Tensor

STATES = 3
"""h0, gh_last and dh0: (B, H) float32 each."""


def tensors(shape: Shape) -> tuple[Tensor, ...]:
    B, T, H = shape["B"], shape["T"], shape["H"]
    return (
        Tensor("a", (B, T, H), "float32", "saved"),
        Tensor("h", (B, T, H), shape.dtype, "saved"),
        Tensor("h0", (B, H), "float32", optional=True),
        Tensor("gh", (B, T, H), shape.dtype),
        Tensor("gh_last", (B, H), "float32", optional=True),
        Tensor("da", (B, T, H), "float32", "output"),
        Tensor("db", (B, T, H), "float32", "output"),
        Tensor("dh0", (B, H), "float32", "output"),
    )


def make_inputs(shape: Shape, regime: str, random: np.random.Generator) -> Arrays:
    """The forward pass's inputs of the same regime, the states that follow from them, and gradients of N(0, 1)."""
    B, T, H = shape["B"], shape["T"], shape["H"]
    kv = equations.random_preactivations((B, T, 2, H), regime, random)
    a, b = equations.gates(kv)
    h0 = random.standard_normal((B, H), dtype=np.float32)
    h, _ = equations.scan(equations.rounded(a, "float32").astype(np.float64), b.astype(np.float64), h0)
    return {
        "a": a,
        "h": h.astype(np.float32),
        "h0": h0,
        "gh": random.standard_normal((B, T, H), dtype=np.float32),
        "gh_last": random.standard_normal((B, H), dtype=np.float32),
    }


def reference(shape: Shape, inputs: Arrays) -> Arrays:
    given = (inputs["a"], inputs["h"], inputs.get("h0"), inputs["gh"], inputs.get("gh_last"))
    da, db, dh0 = equations.scan_backward(*given)
    return {"da": da, "db": db, "dh0": dh0}


def least(shape: Shape) -> Cost:
    """lambda, mu and da are an addition and two multiplications an element."""
    n = shape["B"] * shape["T"] * shape["H"]
    states = STATES * 4 * shape["B"] * shape["H"]
    return Cost(bytes=n * (3 * 4 + 2 * shape.element_bytes) + states, flops=3 * n, launches=1)


BACKWARD = Pass(
    name="backward",
    equation="lambda_t = gh_t + a_{t+1} lambda_{t+1}; da_t = lambda_t h_{t-1}, db_t = lambda_t",
    tensors=tensors,
    make_inputs=make_inputs,
    reference=reference,
    least=least,
    baseline="autograd",
    tolerance={"float32": 2e-6, "bfloat16": 4e-3},
    growth={},
)
