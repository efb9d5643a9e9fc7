"""What each measured ceiling is called, and which resource it bounds: nothing else tells a bandwidth of memory from
that of a cache or a bus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

MEMORY = "memory"
BANDWIDTHS = ("read", "copy", "copy_nt", "triad", "triad_nt")
"""Ways to move bytes through memory or a cache. Reading alone is faster than any way that writes too: it bounds what
leaves its outputs in a cache, and nothing else."""


def at_level(level: str, way: str) -> str:
    """The name of a ceiling: `copy_bytes_per_s` of memory, `l2_copy_bytes_per_s` of a cache."""
    return f"{way}_bytes_per_s" if level == MEMORY else f"{level.lower()}_{way}_bytes_per_s"


def fastest(ceilings: Mapping[str, float], level: str) -> float | None:
    """The best rate of a level by any way, reading alone among them; None where none was measured."""
    return max((ceilings[name] for way in BANDWIDTHS if (name := at_level(level, way)) in ceilings), default=None)


@dataclass(frozen=True)
class Measured:
    """Ceilings as they were measured once. Plain data: it travels from the worker to the coordinator."""

    rates: dict[str, float]
    under_load: tuple[str, ...] = ()
    """Ceilings that were never measured without a disturbance."""
    reasons: tuple[str, ...] = ()
    """What disturbed the machine meanwhile."""


AGREE = 0.1
"""Ceilings measured twice agree where they lie no further apart, relative to the better one."""


def together(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """What a machine gives at most, from two measurements: of each ceiling the better one."""
    least = {name for name, resource in BOUNDS.items() if resource in ("latency", "launches")}
    found = dict(first)
    for name, value in second.items():
        known = found.get(name, value)
        found[name] = min(known, value) if name.removesuffix("_median") in least else max(known, value)
    return found


def apart(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Ceilings that bound something, of which two measurements disagree: name → how far they lie apart, relative to the
    better one."""
    both = {name: (first[name], second[name]) for name in first if name in second and not name.endswith("_median")}
    found = {name: 1 - min(pair) / max(pair) for name, pair in both.items() if min(pair) > 0}
    return {name: share for name, share in found.items() if share > AGREE}


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
