"""The gates of include/gates.cuh with the errors that a GPU's special functions have, which the simulator does not.

The equations are repeated here in float32 numpy with every 2^x off by up to 2 ulp and every 1/x by 1 ulp (PTX ISA:
ex2.approx, rcp.approx), at random and, worse for a long memory, always the same way.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from kernel_variants import equations

Array = NDArray[np.float32]
ULP = 2.0**-23
T, H = 4096, 32


def inexact(exact: NDArray[np.float64], ulps: float, same_way: bool, random: np.random.Generator) -> Array:
    off = np.full(exact.shape, ulps) if same_way else random.uniform(-ulps, ulps, exact.shape)
    return np.asarray(exact * (1 + off * ULP), dtype=np.float32)


def gates(kv: Array, same_way: bool, larger_by_difference: bool = True) -> tuple[Array, Array]:
    random = np.random.default_rng(3)
    one, log2_e = np.float32(1), np.float32(1.4426950408889634)
    k, v = kv[..., 0, :], kv[..., 1, :]
    e, f = (inexact(np.exp2(np.float64(-np.abs(x) * log2_e)), 2, same_way, random) for x in (k, v))
    quotient = inexact(1 / np.float64((one + e) * (one + f)), 1, same_way, random)
    smaller = e * (one + f) * quotient
    larger = one - smaller if larger_by_difference else (one + f) * quotient
    candidate = np.where(v >= 0, v + np.float32(0.5), f * (one + e) * quotient)
    return np.where(k >= 0, smaller, larger), np.where(k >= 0, larger, smaller) * candidate


def error(regime: str, same_way: bool, larger_by_difference: bool = True) -> float:
    kv = equations.random_preactivations((1, T, 2, H), regime, np.random.default_rng(1))
    a, b = gates(kv, same_way, larger_by_difference)
    h, _ = equations.scan(a, b, None)
    reference, _ = equations.scan(*equations.gates(kv.astype(np.float64)), None)
    return float(np.linalg.norm(h - reference) / np.linalg.norm(reference))


@pytest.mark.parametrize("regime", ("normal", "slow", "saturated"))
@pytest.mark.parametrize("same_way", (False, True))
def test_the_gates_bear_the_errors_of_special_functions(regime: str, same_way: bool) -> None:
    assert error(regime, same_way) < 3e-7  # the bound of a whole scan is 1e-6


def test_the_larger_gate_as_a_quotient_would_lose_what_a_long_memory_needs() -> None:
    assert error("slow", same_way=True, larger_by_difference=False) > 1e-6
