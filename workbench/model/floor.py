"""The floor: the least time that a cost can take, and which resource sets it.

floor = max(bytes / bandwidth, FLOPs / rate, matrix FLOPs / rate, special functions / rate,
            serial steps x step latency, launches x launch time)

A resource whose rate is not known does not bind: the floor is then a weaker, still true, bound. Nothing adds up,
because the resources work side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.declare import Cost
from workbench.measure.ceilings import Resource, best


@dataclass(frozen=True)
class Limits:
    """What a machine can do at most. None: not known, so it does not bind."""

    bytes_per_s: float | None = None
    """Bytes read plus written in main memory, a second."""
    flops_per_s: float | None = None
    """Floating-point operations on the ordinary pipes, a second."""
    matrix_flops_per_s: float | None = None
    """Floating-point operations of matrix products in the dtype at hand, a second."""
    special_per_s: float | None = None
    """Special-function evaluations, a second."""
    step_latency_s: float | None = None
    """Time of one dependent step (a fused multiply-add that waits for the last)."""
    launch_s: float | None = None
    """Time that one kernel launch takes at least."""


@dataclass(frozen=True)
class Floor:
    """The least time, in seconds, and the resource that sets it."""

    seconds: float
    bound_by: Resource


@dataclass(frozen=True)
class Kind:
    """A resource: the field of a cost that it works off, and the field of the limits that says how fast."""

    name: Resource
    work: str
    limit: str
    is_rate: bool
    """True: so much work per second; False: so long per piece of work."""


RESOURCES = (
    Kind("bandwidth", "bytes", "bytes_per_s", True),
    Kind("flops", "flops", "flops_per_s", True),
    Kind("matrix", "matrix_flops", "matrix_flops_per_s", True),
    Kind("special", "special", "special_per_s", True),
    Kind("latency", "serial_steps", "step_latency_s", False),
    Kind("launches", "launches", "launch_s", False),
)


def resource_times(cost: Cost, limits: Limits) -> dict[Resource, float]:
    """Seconds that each resource needs for `cost` at least; only resources with a known limit and work to do."""
    times: dict[Resource, float] = {}
    for kind in RESOURCES:
        work, limit = getattr(cost, kind.work), getattr(limits, kind.limit)
        if work and limit:
            times[kind.name] = work / limit if kind.is_rate else work * limit
    return times


def floor(cost: Cost, limits: Limits) -> Floor | None:
    """The floor of `cost` under `limits`; None where no limit that concerns it is known."""
    times = resource_times(cost, limits)
    if not times:
        return None
    bound_by = max(times, key=lambda name: times[name])
    return Floor(times[bound_by], bound_by)


def limits_of(ceilings: Mapping[str, float], dtype: str) -> Limits:
    """Limits as a machine's ceilings have them (measure/ceilings.py says which bounds what). The ordinary pipes and
    special functions compute in float32 whatever the dtype."""
    return Limits(**{resource.limit: best(ceilings, resource.name, dtype) for resource in RESOURCES})


STEP_CYCLES = 4
"""Clocks that one dependent float32 multiply-add takes: CUDA C++ Programming Guide, "Multiprocessor Level" (typically
4 for arithmetic instructions, compute capability 7.x and later)."""

LAUNCH_S = 0.5e-6
"""Gap between two kernels of a CUDA graph: 3.4 us a kernel of 2.9 us on a V100, developer.nvidia.com/blog/cuda-graphs.
The least that is published; a launch from the host costs several times that, so the bound is weak but true."""


def limits_of_device(name: str, dtype: str) -> Limits:
    """Limits of a named device: what somebody measured on one (copy bandwidth, matrix rate), else its datasheet.

    Raises Problem for a device that the data file does not know.
    """
    from workbench.devices import device

    known = device(name)
    measured = limits_of(known.measured, dtype)
    # A float32 product that holds float32's accuracy runs on the ordinary pipes: TF32 keeps 10 bits of 23.
    matrix = known.fp32_flops_per_s if dtype == "float32" else known.bf16_flops_per_s
    return Limits(
        bytes_per_s=measured.bytes_per_s or known.bandwidth_bytes_per_s,
        flops_per_s=measured.flops_per_s or known.fp32_flops_per_s,
        matrix_flops_per_s=measured.matrix_flops_per_s or matrix,
        special_per_s=measured.special_per_s or known.special_per_s,
        step_latency_s=measured.step_latency_s
        or (STEP_CYCLES / known.boost_clock_hz if known.boost_clock_hz else None),
        launch_s=measured.launch_s or LAUNCH_S,
    )
