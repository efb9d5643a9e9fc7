"""The record and the run: the fields that JSON, Parquet, frames and code all share. Units are SI, in the name."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA = 2
"""Raised by one whenever a reader of the older form would misread the newer."""


Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""What a column of a table can hold: a larger one is refused when its record is made, not when the run ends."""


class Status(StrEnum):
    """How a record ended. Only `ok` has times."""

    OK = "ok"
    INCORRECT = "incorrect"
    IMPLAUSIBLE = "implausible"
    """Right answers, and a time that no machine or no clock but the variant's own could have measured."""
    UNSUPPORTED = "unsupported"
    COMPILE_ERROR = "compile_error"
    CRASHED = "crashed"
    TIMEOUT = "timeout"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=False)


class ErrorMeasure(Frozen):
    """The worst relative L2 error over outputs and regimes, against the float64 reference."""

    relative_l2: float | None
    """None: an output holds what is no number."""
    bound: float
    where: str = ""
    """The output and regime that it was found in."""


class Time(Frozen):
    """What the clock said. Cold or hot, and by which timer: two timers are never compared."""

    median_s: float
    low_s: float
    """Lower end of the median's 95 % bootstrap interval."""
    high_s: float
    minimum_s: float
    count: Int64
    timer: str
    """`cpu_wall`, `cuda_event`, `cuda_graph`, `cuda_wall`."""
    cache: str
    """`rotated` (several input sets in turn), `cold` (L2 flushed before every sample) or `hot`."""
    stopped_by: str
    """Which rule ended the sampling: `spread`, `plateau`, `time_cap`."""
    clock_hz: float | None = None
    """Median SM clock during the samples."""


class Bytes(Frozen):
    declared: Int64 | None = None
    least: Int64 | None = None
    counted: float | None = None
    """DRAM bytes that the counters saw."""


class Launches(Frozen):
    declared: Int64 | None = None
    counted: Int64 | None = None


class BuildFact(Frozen):
    """What one kernel compiled to for one architecture."""

    arch: str
    kernel: str
    source: str = ""
    registers: Int64 | None = None
    shared_bytes: Int64 | None = None
    """Static plus dynamic shared memory a block."""
    stack_bytes: Int64 | None = None
    spill_bytes: Int64 | None = None
    code_bytes: Int64 | None = None
    block_threads: Int64 | None = None
    occupancy_theoretical: float | None = None
    """Resident warps over the most an SM holds, 0 to 1."""
    occupancy_limiter: str | None = None
    """`registers`, `shared memory`, `warps` or `blocks`."""
    sass_mix: dict[str, Int64] = Field(default_factory=dict)


class LaunchCounters(Frozen):
    """One kernel launch as a profiler saw it."""

    kernel: str
    metrics: dict[str, float | str] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    rules: list[dict[str, Any]] = Field(default_factory=list)


class Record(Frozen):
    """One variant at one shape in one pass on one device."""

    key: str
    """Unique within a run, in [a-z0-9_.-]; also the name of its NVTX range."""
    operation: str
    variant: str
    factors: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, Int64 | str] = Field(default_factory=dict)
    pass_: Annotated[str, Field(alias="pass")] = "forward"
    shape: dict[str, Int64 | str]
    """Every axis, `dtype` and `regime`."""
    device: str
    backend: str
    """`cuda`, `cpu` or `emulated`."""
    status: Status
    reason: str | None = None
    error: ErrorMeasure | None = None
    time: Time | None = None
    samples_s: list[float] = Field(default_factory=list)
    bytes: Bytes = Bytes()
    flops: Int64 | None = None
    """Declared floating-point operations, products included."""
    special: Int64 | None = None
    launches: Launches = Launches()
    bandwidth_bytes_per_s: float | None = None
    """Declared bytes over the median time."""
    flops_per_s: float | None = None
    share_of_ceiling: float | None = None
    """The rate of the resource that binds, over what this run measured that resource to give."""
    floor_s: float | None = None
    """The least time for what the variant declares to do, at this run's ceilings."""
    floor_bound_by: str | None = None
    """`bandwidth`, `matrix`, `flops`, `special`, `latency` or `launches`."""
    share_of_floor: float | None = None
    """floor_s over the median time."""
    limit_s: float | None = None
    """The least time for any algorithm of this operation: its least bytes and FLOPs at this run's ceilings."""
    share_of_limit: float | None = None
    speedup_over_baseline: float | None = None
    build: list[BuildFact] = Field(default_factory=list)
    counters: list[LaunchCounters] = Field(default_factory=list)

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _times_only_when_right(self) -> Record:
        if self.status is not Status.OK and (self.time is not None or self.samples_s):
            raise ValueError(f"record {self.key}: status {self.status.value} must not carry a time")
        if self.backend == "emulated" and self.time is not None:
            raise ValueError(f"record {self.key}: an emulated kernel is never timed")
        return self


class Run(Frozen):
    """A run's own facts: the machine, the versions, the command, the ceilings."""

    schema_: Annotated[int, Field(alias="schema")] = SCHEMA
    name: str
    created: str
    """ISO 8601, UTC."""
    command: list[str]
    device: str
    environment: dict[str, Any] = Field(default_factory=dict)
    ceilings: dict[str, float] = Field(default_factory=dict)
    """`copy_bytes_per_s`, `triad_bytes_per_s`, `matmul_flops_per_s`, `exp_per_s`…"""
    noise_floor: float | None = None
    """The relative spread that a variant against itself (A/A) stays within; see measure/noise.py."""
    spreads: dict[str, float] = Field(default_factory=dict)
    """The A/A spread of each case, by operation, shape and device."""
    finished: bool = False
    selection: dict[str, Any] = Field(default_factory=dict)
    """What was asked for: what `--resume` continues."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
