"""The record and the run: the fields that JSON, Parquet, frames and code all share. Units are SI, in the name.

They hold facts: what was declared, counted, timed and measured. What follows from facts (floors, shares, rates,
speed-ups) is computed when it is read, in `model/figures.py`, and stands in no file.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SCHEMA = 3
"""Raised by one whenever a reader of the older form would misread the newer; `upgrade.py` reads the older ones."""


UNTIMED = ("simulated", "emulated")
"""Backends that say right or wrong, and never how fast; the second in runs of older workbenches."""

Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""What a column of a table can hold: a larger one is refused when its record is made, not when the run ends."""


def _one_of(value: Any) -> Any:
    """A number or a text, also from a table, where each has a column of its own and the other's is empty."""
    if isinstance(value, dict) and len(held := [one for one in value.values() if one is not None]) == 1:
        return held[0]
    return value


Word = Annotated[Int64 | str, BeforeValidator(_one_of)]
"""The value of a tunable."""


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


class Seeds(Frozen):
    """What a record's random numbers follow from: with the same seeds the same inputs in the same order."""

    inputs: Int64 = 0
    """Of the values of all inputs."""
    order: Int64 | None = None
    """Of the order in which variants take turns on the clock. None: nothing was timed."""


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
    """`cold`: no evaluation found its data in a cache, which was flushed before each (on a GPU L2). `rotated`: several
    sets in turn, which put each other out of the caches where `working_set_bytes` is known, being several times their
    size; in records of older workbenches, which do not have it, they may have stayed. `hot`: one set over and over."""
    stopped_by: str
    """Which rule ended the sampling: `spread`, `plateau`, `time_cap`."""
    clock_hz: float | None = None
    """Median SM clock during the samples."""
    working_set_bytes: Int64 | None = None
    """Of the operation's tensors in one set: what any variant touches in an evaluation. On a CPU."""


DISTURBED_SHARE = 0.25
"""Of a record's blocks: where more than this were disturbed, its median is no sound figure. Where fewer were, all of
them slow, it is at most what two thirds of the undisturbed samples stay below."""


class Disturbance(Frozen):
    """What else the machine did while a record was timed. None: the system did not tell."""

    blocks: Int64
    """That its samples come from."""
    disturbed: Int64
    """Of those: there was no time left to repeat them."""
    repeated: Int64
    """Disturbed blocks beside those, whose samples were set aside and taken again."""
    reasons: list[str] = Field(default_factory=list)
    """What disturbed the blocks, those set aside among them; the commonest first."""
    lost_share: float | None = None
    """Of the time of all its blocks: waiting for a core that others had."""
    others_cores: float | None = None
    """Cores that others used meanwhile, on average."""
    cpu_per_wall: float | None = None
    """CPU time of the process over wall time: the cores that it had itself."""
    switches_per_s: float | None = None
    """Times per second that its threads lost their core unasked (involuntary context switches)."""
    load_average: float | None = None
    """The machine's highest, over a minute."""
    throttled: list[str] = Field(default_factory=list)
    """Why the GPU's clock was held back, the harmless power cap included."""
    foreign_processes: Int64 | None = None
    """Most processes of others that computed on the GPU."""
    facts: dict[str, float] = Field(default_factory=dict)
    """What observers found beside, the median over its blocks, by names that end in their unit: of a GPU `sm_clock_hz`,
    `power_w` and `temperature_c` at the ends of blocks."""

    @property
    def is_sound(self) -> bool:
        """Whether so few of its blocks were disturbed that its times mean the variant and not the machine."""
        return self.disturbed <= DISTURBED_SHARE * self.blocks


class HotTime(Frozen):
    """A second figure beside a record's time: of evaluations that find in the caches what the one before has left."""

    time: Time
    samples_s: list[float] = Field(default_factory=list)
    disturbance: Disturbance | None = None


class Work(Frozen):
    """What a computation moves and does, as declared: totals over the whole shape. None: not known."""

    bytes: Int64 | None = None
    write_allocate: Int64 | None = None
    """Of those: lines read only because an ordinary store is about to overwrite them. Memory has to deliver them; a
    cache that holds the lines does not."""
    flops: Int64 | None = None
    """Floating-point operations on the ordinary pipes."""
    matrix_flops: Int64 | None = None
    special: Int64 | None = None
    launches: Int64 | None = None
    serial_steps: Int64 | None = None
    kept_bytes: Int64 | None = None
    """Of a backward pass: bytes that the forward pass keeps for it."""


class Counted(Frozen):
    """What counters saw of the same."""

    bytes: float | None = None
    """DRAM bytes, read and written."""
    launches: Int64 | None = None


class Bounds(Frozen):
    """Floor and limit as an older workbench recorded them, whose records lack the facts that they follow from."""

    floor_s: float | None = None
    floor_bound_by: str | None = None
    limit_s: float | None = None
    busiest_s: float | None = None
    """What the busiest of the resources that are rates needs."""


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


class SimulatedCounter(Frozen):
    """One counter of a simulated kernel, under the name that Nsight Compute gives it; totals over its launches."""

    name: str
    value: float
    unit: str
    standing: str
    """How far it can be held against a measured one; see docs/simulation.md. What no level gives is not here."""


class Chain(Frozen):
    """What one warp, alone on the machine, must wait for one thing after the other: the first warp of the first block.
    The compiler's control codes say it; latencies do not stand here, as they are a GPU's and not the kernel's."""

    instructions: Int64
    """Warp instructions that the chain was followed through."""
    issue_cycles: Int64
    """Cycles of fixed-latency instructions along it."""
    global_trips: Int64
    """Waits for global memory along it, each of which began after the one before had ended; so with the others."""
    shared_trips: Int64
    other_trips: Int64
    """Waits for special functions, conversions and shuffles."""
    whole: bool = True
    """False: it was followed to a limit, so that all of these are at least so many."""


class SimulatedKernel(Frozen):
    """Launches of one kernel over one grid, together."""

    kernel: str
    launches: Int64
    grid: list[Int64]
    block: list[Int64]
    registers: Int64 | None = None
    shared_bytes: Int64 | None = None
    occupancy: float | None = None
    blocks_per_sm: Int64 | None = None
    waves: float | None = None
    """Blocks over what all SMs hold at once."""
    sampled: str = ""
    """Which of the blocks were run, where it was not all of them; the counters are those of all."""
    counters: list[SimulatedCounter] = Field(default_factory=list)
    opcodes: dict[str, Int64] = Field(default_factory=dict)
    """Executed warp instructions by opcode."""
    chain: Chain | None = None
    """Of one launch."""


class Simulated(Frozen):
    """A variant's machine code executed on the host and counted, at one shape, for one architecture. It has no time."""

    arch: str
    gpu: str
    """The device of the data file whose multiprocessors and caches were modelled."""
    swept: dict[str, Int64]
    """The shape that was asked for."""
    axes: dict[str, Int64]
    """The shape that was run: the one asked for, or a smaller one where that is too much work."""
    settings: dict[str, Word] = Field(default_factory=dict)
    reason: str = ""
    """Why nothing was counted, or not at the shape asked for."""
    declared: Work = Work()
    """What the variant says that it does at the shape that was run; so with `least`."""
    least: Work = Work()
    elements: Int64 | None = None
    """Of the largest output at the shape that was run."""
    moved_bytes: float | None = None
    """DRAM bytes by the model of caches, clears included: a lower bound. None where not all blocks were run."""
    beside: list[str] = Field(default_factory=list)
    """Steps of the plan that are a library's or the host's work, and were not counted."""
    findings: list[str] = Field(default_factory=list)
    """Where it contradicts what is declared."""
    kernels: list[SimulatedKernel] = Field(default_factory=list)


class ExecutedCode(Frozen):
    """A simulated kernel instruction by instruction: what each did in all launches at the shape that was run. The lists
    have an entry per instruction, in the order of the code."""

    arch: str
    kernel: str
    level: str = "sass"
    """`sass`: machine code, 16 bytes per instruction. `ptx`: what it was made from, before ptxas merged, predicated and
    unrolled it; its executed instructions are no counter of Nsight Compute's."""
    address: list[Int64] = Field(default_factory=list)
    """The line of each instruction in its file of PTX; empty for machine code."""
    files: list[str] = Field(default_factory=list)
    """Names of the source files that it comes from."""
    text: list[str]
    file: list[Int64]
    """Which of the files; -1: none."""
    line: list[Int64]
    executed: list[Int64]
    """By warps; the others are sums over these."""
    threads: list[Int64]
    sectors: list[Int64]
    """Of global memory; `ideal`: with the same bytes side by side."""
    sectors_ideal: list[Int64]
    wavefronts: list[Int64]
    """Of shared memory; `ideal`: without bank conflicts."""
    wavefronts_ideal: list[Int64]


class Tried(Frozen):
    """Settings of the tunables that were tried before a variant was timed."""

    settings: dict[str, Word]
    seconds: float | None = None
    """Of an evaluation once warm: good for choosing between settings, and no time. None where its answer was wrong."""


class Record(Frozen):
    """One variant at one shape in one pass on one machine."""

    key: str
    """Unique within a run, in [a-z0-9_.-]; also the name of its NVTX range."""
    operation: str
    variant: str
    sources: str = ""
    """Digest of all that the variant was made from when this was recorded; empty where it is not known."""
    factors: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, Word] = Field(default_factory=dict)
    tried: list[Tried] = Field(default_factory=list)
    """All settings that were tried, in their order; empty where there was nothing to choose, and in older runs."""
    pass_: Annotated[str, Field(alias="pass")] = "forward"
    axes: dict[str, Int64]
    """The size of every axis, in the operation's order."""
    dtype: str
    regime: str = "unknown"
    machine: str
    """The id of one of the run's machines."""
    attempt: Int64 = 1
    """At its case, counted from 1: more where machines of a cluster were lost while they timed it."""
    backend: str
    """`cuda`, `cpu` or `simulated`; `emulated` in runs of older workbenches."""
    status: Status
    reason: str | None = None
    seeds: Seeds | None = None
    """None in runs of older workbenches, and in imported ones."""
    error: ErrorMeasure | None = None
    time: Time | None = None
    samples_s: list[float] = Field(default_factory=list)
    disturbance: Disturbance | None = None
    """Of a record with a time; None in runs of older workbenches, which did not look."""
    hot: HotTime | None = None
    """Where what it touches fits into the caches of a CPU."""
    declared: Work = Work()
    """What the variant says that it does."""
    least: Work = Work()
    """What any algorithm of the operation must do."""
    counted: Counted = Counted()
    bounds: Bounds | None = None
    """Only in records that an older workbench wrote."""
    build: list[BuildFact] = Field(default_factory=list)
    simulated: list[Simulated] = Field(default_factory=list)
    """The machine code executed on the host, for an architecture and a shape each."""
    executed: list[ExecutedCode] = Field(default_factory=list)
    """Instruction by instruction, the first of `simulated` in which anything was counted: machine code, and PTX where
    that is simulated."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="after")
    def _times_only_when_right(self) -> Record:
        if self.status is not Status.OK and (self.time is not None or self.samples_s or self.hot is not None):
            raise ValueError(f"record {self.key}: status {self.status.value} must not carry a time")
        if self.backend in UNTIMED and self.time is not None:
            raise ValueError(f"record {self.key}: a kernel that is {self.backend} is never timed")
        return self

    @property
    def shape(self) -> dict[str, int | str]:
        """Every axis, `dtype` and `regime`."""
        return {**self.axes, "dtype": self.dtype, "regime": self.regime}


class CeilingsMeasured(Frozen):
    """Ceilings as they were measured once in a run."""

    when: str
    """`start` or `end`."""
    rates: dict[str, float]
    under_load: list[str] = Field(default_factory=list)
    """Names of those that were never measured without a disturbance."""
    reasons: list[str] = Field(default_factory=list)
    """What disturbed the machine meanwhile."""


class Machine(Frozen):
    """One place where records come from: a device of a host, and what it gives."""

    id: str
    """Unique within a run."""
    name: str
    """The device's own name."""
    host: str = ""
    backend: str = ""
    """`cuda`, `cpu` or `simulated`."""
    arch: str = ""
    """`sm_90`, `x86_64`…"""
    uuid: str = ""
    """Of a GPU, as its driver reports it: two of one name are two machines."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of the system, the compiler, the driver and the packages."""
    ceilings: dict[str, float] = Field(default_factory=dict)
    """What it gives at most, measured in this run; measure/ceilings.py has the names and what each of them bounds."""
    measurements: list[CeilingsMeasured] = Field(default_factory=list)
    """Those that `ceilings` are the best of."""
    caches: dict[str, Int64] = Field(default_factory=dict)
    """Bytes of each level for data, `L1` first, over the cores that were used. Empty: not known, or a GPU's."""
    noise_floor: float | None = None
    """The relative spread that a variant against itself (A/A) stays within; see measure/noise.py."""
    spreads: dict[str, float] = Field(default_factory=dict)
    """The A/A spread of each case, by operation and shape."""
    between_runs: dict[str, float] = Field(default_factory=dict)
    """By how much the median of a variant, timed a second time at the end of the run in processes of its own, differed
    from its first, by case: what two runs differ by where nothing else has changed."""


class VariantFacts(Frozen):
    """A variant as the catalogue had it when the run was made."""

    name: str
    rung: Int64
    idea: str
    factors: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, list[Word]] = Field(default_factory=dict)
    """Tunables and the values that were to be tried."""
    sources: str = ""
    """Digest of all that it is made from; its records carry that of the day they were made."""


class OperationFacts(Frozen):
    """An operation in one pass as the catalogue had it when the run was made, with its variants that took part."""

    name: str
    pass_: Annotated[str, Field(alias="pass")] = "forward"
    title: str = ""
    equation: str = ""
    axes: dict[str, Int64] = Field(default_factory=dict)
    """Every axis with its usual size."""
    baseline: str = ""
    variants: list[VariantFacts] = Field(default_factory=list)

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Run(Frozen):
    """A run's own facts: the machines, the command, what was asked for, and what the catalogue said of it."""

    schema_: Annotated[int, Field(alias="schema")] = SCHEMA
    name: str
    created: str
    """ISO 8601, UTC."""
    command: list[str]
    machines: list[Machine] = Field(default_factory=list)
    environment: dict[str, Any] = Field(default_factory=dict)
    """What concerns the run as a whole: the workbench's commit, the report that it was imported from."""
    catalogue: list[OperationFacts] = Field(default_factory=list)
    """Empty in runs of older workbenches, and in imported ones."""
    finished: bool = False
    selection: dict[str, Any] = Field(default_factory=dict)
    """What was asked for: what `--resume` continues."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def machine(self, id_: str) -> Machine:
        """The machine of a record. One that the table lacks is known by its id alone."""
        known = next((machine for machine in self.machines if machine.id == id_), None)
        return Machine(id=id_, name=id_) if known is None else known

    @property
    def device(self) -> str:
        """The names of the devices that it ran on, those that only simulate aside."""
        names = [m.name for m in self.machines if m.backend not in UNTIMED] or [m.name for m in self.machines]
        return " and ".join(dict.fromkeys(names))
