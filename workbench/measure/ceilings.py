"""What each measured ceiling is called, and which resource it bounds: nothing else tells a bandwidth of memory from
that of a cache or a bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Resource = Literal["bandwidth", "flops", "matrix", "special", "latency", "launches"]

BOUNDS: Mapping[str, Resource] = {
    "copy_bytes_per_s": "bandwidth",
    "copy_nt_bytes_per_s": "bandwidth",
    "triad_bytes_per_s": "bandwidth",
    "triad_nt_bytes_per_s": "bandwidth",
    "fma_flops_per_s": "flops",
    "matmul_flops_per_s": "matrix",
    "exp_per_s": "special",
    "step_latency_s": "latency",
    "launch_s": "launches",
}
"""Ceiling → the resource it bounds. Names that are not here (a median beside its best, libm's exponential) are shown
and bound nothing."""

DTYPE = "float32"
"""What a matrix rate without a dtype at its end holds for."""


def best(ceilings: Mapping[str, float], resource: Resource, dtype: str = DTYPE) -> float | None:
    """The best that a machine gave of a resource: of several bandwidths the highest, of several delays the shortest;
    None where none was measured. A matrix rate of another dtype is never used; everything else holds for all."""
    suffix = "" if resource != "matrix" or dtype == DTYPE else f"_{dtype}"
    found = [
        ceilings[f"{name}{suffix}"] for name, of in BOUNDS.items() if of == resource and f"{name}{suffix}" in ceilings
    ]
    if not found:
        return None
    return min(found) if resource in ("latency", "launches") else max(found)
