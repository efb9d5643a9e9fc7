"""The words in which operations and variants are declared.

This is the vocabulary that `kernel_variants/` (and anybody's own kernel folder) is written in, and the
only module of the workbench that a kernel folder imports. It is data: nothing here runs, builds or times
anything, and importing it costs no numpy and no torch.

An *operation* says what is computed, a *variant* one way to compute it. A variant's `plan` turns a shape
and chosen settings into the exact steps: kernel launches, host functions and library calls, in order. The
same plan is compiled by `build`, run by `execute` on a GPU or the CPU, by the simulator, counted by
`views`, and shown in the dashboard.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]
else:
    Arrays = Mapping  # importable at run time too, without numpy

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float64": 8, "int32": 4, "int64": 8, "uint32": 4, "uint8": 1}

Setting = int | str
Settings = Mapping[str, Setting]


@dataclass(frozen=True)
class Shape:
    """The size of one problem: an integer for each axis of its operation, and the dtype that crosses memory."""

    axes: tuple[tuple[str, int], ...]
    dtype: str = "float32"

    @classmethod
    def of(cls, dtype: str = "float32", **axes: int) -> Shape:
        return cls(tuple(axes.items()), dtype)

    def __getitem__(self, axis: str) -> int:
        for name, size in self.axes:
            if name == axis:
                return size
        raise KeyError(f"shape {self} has no axis {axis}")

    @property
    def element_bytes(self) -> int:
        """Bytes of one element of `dtype`: E in the equations of traffic."""
        return DTYPE_BYTES[self.dtype]

    def as_dict(self) -> dict[str, int]:
        return dict(self.axes)

    def __str__(self) -> str:
        return " ".join(f"{name}={size}" for name, size in self.axes) + f" {self.dtype}"


Role = Literal["input", "parameter", "saved", "in_place", "output", "scratch"]
"""input: given. parameter: given, and lives on between calls (weights). saved: given to a backward pass because the
forward pass kept it; its bytes are what training pays in memory. in_place: given, and compared as an output, in the
same memory. output: written and compared. scratch: a plan's own, written and read."""


@dataclass(frozen=True)
class Tensor:
    """One contiguous row-major array that a plan reads or writes."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    role: Role = "input"
    optional: bool = False
    """An optional input may be absent: kernels then get a null pointer, torch functions None."""

    @property
    def given(self) -> bool:
        """Whether it holds values before an evaluation."""
        return self.role in ("input", "parameter", "saved", "in_place")

    @property
    def compared(self) -> bool:
        """Whether the values that it holds after an evaluation are compared with the reference."""
        return self.role in ("output", "in_place")

    @property
    def elements(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int:
        return self.elements * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True)
class Cost:
    """What a computation moves and does. All counts are totals over the whole shape."""

    bytes: int
    """Bytes read plus written in DRAM, caches assumed ideal within what the variant claims."""
    flops: int = 0
    """Floating-point operations on the ordinary pipes; a fused multiply-add is two."""
    matrix_flops: int = 0
    """Floating-point operations of matrix products; a multiply-add is two."""
    special: int = 0
    """Special-function evaluations (exp, log, reciprocal…): MUFU instructions per thread on a GPU."""
    launches: int = 0
    """Kernel launches (library calls count what they are expected to launch); 0 for host functions."""
    serial_steps: int = 0
    """Length of the longest chain of dependent steps: T for a serial scan, about log2 T for a tree."""
    write_allocate: int = 0
    """Of the bytes: those of lines that a CPU reads only because an ordinary store is about to overwrite them. Memory
    has to deliver them; a cache that holds the lines already does not. 0 for non-temporal stores, and on a GPU."""
    kept_bytes: int = 0
    """Of a backward pass: bytes that the forward pass must keep for it, which is what training pays in memory."""

    def __add__(self, other: Cost) -> Cost:
        """The cost of one computation after the other."""
        return Cost(
            self.bytes + other.bytes,
            self.flops + other.flops,
            self.matrix_flops + other.matrix_flops,
            self.special + other.special,
            self.launches + other.launches,
            self.serial_steps + other.serial_steps,
            self.write_allocate + other.write_allocate,
            self.kept_bytes + other.kept_bytes,
        )


# ---------------------------------------------------------------------------------------------- steps of a plan


@dataclass(frozen=True)
class At:
    """The address of one element of a tensor: `offset` elements behind its first."""

    tensor: str
    offset: int
    per_turn: int = 0
    """Elements by which it moves on with each turn of the Repeat around its step."""


@dataclass(frozen=True)
class Scalar:
    """A number by value whose C type is that of its class's name."""

    value: int | float


class I8(Scalar):
    """An 8-bit integer argument."""


class U8(Scalar):
    """An unsigned 8-bit integer argument."""


class I16(Scalar):
    """A 16-bit integer argument."""


class U16(Scalar):
    """An unsigned 16-bit integer argument."""


class I32(Scalar):
    """A 32-bit integer argument (a plain Python int is passed as 64 bits: sizes and offsets)."""


class U32(Scalar):
    """An unsigned 32-bit integer argument."""


class U64(Scalar):
    """An unsigned 64-bit integer argument."""


class F64(Scalar):
    """A double argument (a plain Python float is passed as float32)."""


@dataclass(frozen=True)
class Turn:
    """A 64-bit integer argument that counts the turns of the Repeat around its step: `first + per_turn * turn`."""

    first: int = 0
    per_turn: int = 1


@dataclass(frozen=True)
class Struct:
    """A structure by value, its members in order, each a tensor, an address, a number, or a Struct.

    They lie as C lays them out: each at the next multiple of its own size (of a Struct: of its widest member's), the
    whole as long as a multiple of the widest.
    """

    members: tuple[Argument, ...]


Argument = str | At | Scalar | Turn | Struct | int | float | bool | None
"""A tensor's name (its address is passed), an address inside it, a Scalar, a loop's counter, a Struct, or plain Python:
an int is an int64, a float a float32, a bool a bool, None a null pointer."""

Dim3 = tuple[int, int, int]
Defines = tuple[tuple[str, Setting], ...]


@dataclass(frozen=True)
class Kernel:
    """One launch of a `__global__` function of a CUDA source.

    The source is compiled with `-DIO_FLOAT32` or `-DIO_BFLOAT16` (after the shape's dtype) and `defines`,
    with its own folder and the `include/` folder beside it on the include path.
    """

    source: Path
    function: str
    """The name of an `extern "C"` function; of any other as C++ writes it, a template with its arguments:
    `scan<32, float>`, `rows::scan`."""
    grid: Dim3
    block: Dim3
    arguments: tuple[Argument, ...]
    shared_bytes: int = 0
    """Dynamic shared memory per block."""
    defines: Defines = ()
    options: tuple[str, ...] = ()
    """Further options of NVRTC: `--use_fast_math`, `--maxrregcount=64`, `--ptxas-options=-O1`."""
    constants: tuple[tuple[str, bytes], ...] = ()
    """What its source's `__constant__` variables hold, by their names; the others hold what the source says."""


@dataclass(frozen=True)
class TritonKernel:
    """One launch of a `@triton.jit` function of a Python source, which is never imported here: it is compiled by name,
    for the architecture that is asked for. A variant of such steps has `Requirement("triton", "pip install triton")`.
    """

    source: Path
    function: str
    grid: Dim3
    arguments: tuple[Argument, ...]
    """Those that are no constants, in the function's order."""
    defines: Defines = ()
    """Its `tl.constexpr` parameters by name; also `num_stages`, which is the compiler's."""
    warps: int = 4
    """Warps per program."""
    dtypes: tuple[tuple[str, str], ...] = ()
    """Tensor and dtype, of those whose dtype is not the shape's."""


@dataclass(frozen=True)
class Host:
    """One call of an `extern "C" void` function of a C++ source, on the CPU. Compiled like a Kernel's."""

    source: Path
    function: str
    arguments: tuple[Argument, ...]
    defines: Defines = ()
    options: tuple[str, ...] = ()
    """Further options of the host's compiler: `-ffast-math`, `-mprefer-vector-width=512`."""


@dataclass(frozen=True)
class Call:
    """One call of a Python function over torch tensors (a library product, an eager baseline).

    `function(*inputs)` receives the tensors named in `inputs`, an absent optional one as None. If it returns
    tensors they become `outputs`, in order, with no copy unless a later kernel needs them in place; if it returns
    None it has written the tensors it was given.
    """

    function: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clear:
    """Sets every byte of a tensor to zero (a look-back's flags before each run)."""

    tensor: str


@dataclass(frozen=True)
class Repeat:
    """Steps done `count` times over, in order. What differs from turn to turn are arguments alone, linearly: `Turn` and
    `At(…, per_turn=…)`. A plan of half a million launches is so a few objects."""

    steps: tuple[Step, ...]
    count: int


@dataclass(frozen=True)
class Concurrent:
    """Branches of steps done at the same time, each in its order: they begin when all that stands before them is done,
    and what stands after them begins when all of them are. On a GPU each has a stream, on a CPU a thread; where kernels
    are simulated they are done one after the other, in some schedules the last one first. No branch may touch what
    another one writes."""

    branches: tuple[tuple[Step, ...], ...]


Step = Kernel | TritonKernel | Host | Call | Clear | Repeat | Concurrent


@dataclass(frozen=True)
class Plan:
    """Everything that one evaluation of a variant does, in order, and the scratch memory it needs."""

    steps: tuple[Step, ...]
    scratch: tuple[Tensor, ...] = ()
    graph: bool = False
    """Capture the steps into one CUDA graph and replay that (on a GPU; elsewhere the steps run one by one)."""


def chain(plans: Iterable[Plan], scratch: Iterable[Tensor] = (), graph: bool = False) -> Plan:
    """One plan that does the given ones in turn; scratch of the same name is shared and must agree."""
    steps: list[Step] = []
    tensors = {t.name: t for t in scratch}
    for plan in plans:
        steps += plan.steps
        for tensor in plan.scratch:
            if tensors.setdefault(tensor.name, tensor) != tensor:
                raise ValueError(f"chained plans disagree about scratch tensor {tensor.name}")
    return Plan(tuple(steps), tuple(tensors.values()), graph)


# ---------------------------------------------------------------------------------------------- declarations


def _no_depth(shape: Shape) -> int:
    return 1


def _written_at() -> str:
    """FILE:LINE where a declaration is being made: the first frame outside of this module and of generated code."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") in (__name__, replace.__module__):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@dataclass(frozen=True)
class Tolerance:
    """How far an output may be from its reference: sqrt(sum (got - want)^2) is at most `relative` times
    sqrt(sum want^2), plus `absolute` times the square root of the number of elements."""

    relative: float
    absolute: float | None = None
    """Root mean square error of an element that is allowed however small the reference is. None: what the output's
    dtype cannot tell from 0 (its smallest normal number; of float16, its smallest number)."""


Allowed = float | Tolerance

FORWARD = "forward"
"""The pass that an operation's own fields are about, and that of a variant that names none."""


def operation_key(operation: str, pass_: str = FORWARD) -> str:
    """An operation in a pass, as users write it: `scan`, and `scan/backward`."""
    return operation if pass_ == FORWARD else f"{operation}/{pass_}"


def variant_key(operation: str, variant: str, pass_: str = FORWARD) -> str:
    """A variant, as users write it: `scan/serial`, and `scan/backward/serial`."""
    return f"{operation_key(operation, pass_)}/{variant}"


@dataclass(frozen=True)
class Pass:
    """A further pass of an operation, such as `backward`, over the operation's axes and in its dtypes.

    The fields are those of Operation. None where the operation's own holds for this pass too.
    """

    name: str
    """In [a-z0-9_]; `forward` is the operation itself."""
    equation: str
    tensors: Callable[[Shape], tuple[Tensor, ...]]
    make_inputs: Callable[[Shape, str, np.random.Generator], Arrays]
    reference: Callable[[Shape, Arrays], Arrays]
    least: Callable[[Shape], Cost]
    baseline: str
    """A variant of this pass."""
    tolerance: Mapping[str, Allowed | Mapping[str, Allowed]] | None = None
    depth: Callable[[Shape], int] | None = None
    presets: Mapping[str, tuple[Mapping[str, int | str], ...]] | None = None
    regimes: tuple[str, ...] | None = None
    growth: Mapping[str, tuple[int, ...]] | None = None


@dataclass(frozen=True)
class Operation:
    """What is computed: the equation, its inputs, its float64 reference, its least cost and its tolerance.

    Its fields are about its forward pass; `passes` holds the others. Whatever is done with an operation is done with
    it in one pass: `in_pass` gives the same kind of object for another.
    """

    name: str
    title: str
    """One line for a person."""
    equation: str
    axes: Mapping[str, int]
    """Every axis with the size it has where a user names none."""
    small: Mapping[str, int]
    """Sizes for a quick check in the simulator: odd, not powers of two."""
    tensors: Callable[[Shape], tuple[Tensor, ...]]
    """Inputs and outputs with their shapes and dtypes."""
    make_inputs: Callable[[Shape, str, np.random.Generator], Arrays]
    """(shape, regime, random generator) → float32 arrays of every input, optional ones too. The caller
    rounds them to the declared dtypes and hands the rounded values to reference and variant alike."""
    reference: Callable[[Shape, Arrays], Arrays]
    """(shape, float64 inputs; absent optional ones are missing) → every output in float64."""
    least: Callable[[Shape], Cost]
    """What any algorithm must at least move and do."""
    baseline: str
    """The variant that speed-ups are counted against."""
    tolerance: Mapping[str, Allowed | Mapping[str, Allowed]]
    """dtype → the error that outputs may have, or that of each by its name: a relative L2 error, or a Tolerance."""
    regimes: tuple[str, ...] = ("normal",)
    """Kinds of random input; the first one is timed, all of them are checked."""
    dtypes: tuple[str, ...] = ("float32", "bfloat16")
    presets: Mapping[str, tuple[Mapping[str, int | str], ...]] = field(default_factory=dict)
    """Shapes that a preset (`quick`, `gpu`) sweeps: sizes of axes that differ from `axes`, and perhaps `dtype`."""
    growth: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Sizes of every axis at which the growth of the error is recorded: one of them many, the others one."""
    growth_factor: str = "algorithm"
    """The factor that names an algorithm's family: errors grow by the algorithm, so one variant of each is enough."""
    depth: Callable[[Shape], int] = _no_depth
    """Length of the longest chain of dependent steps in the equation, in steps."""
    passes: tuple[Pass, ...] = ()
    """Its passes beside the forward one."""
    pass_: str = FORWARD
    """The pass that this object is about; only `in_pass` sets it."""
    at: str = field(default="", init=False, compare=False, repr=False)
    """FILE:LINE where it is declared, for messages."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _written_at())

    @property
    def key(self) -> str:
        """`scan`, and `scan/backward`: unique in a catalogue."""
        return operation_key(self.name, self.pass_)

    def each_pass(self) -> tuple[Operation, ...]:
        """The operation in its forward pass and in each other one."""
        return (self, *(self.in_pass(one) for one in self.passes))

    def in_pass(self, one: Pass) -> Operation:
        """The operation as this pass has it."""
        own = {f.name: getattr(one, f.name) for f in fields(one) if f.name != "name"}
        found = replace(
            self, pass_=one.name, passes=(), **{name: value for name, value in own.items() if value is not None}
        )
        object.__setattr__(found, "at", self.at)
        return found


Device = Literal["cuda", "cpu"]


@dataclass(frozen=True)
class Limits:
    """What a plan may ask of the device that it is made for."""

    arch: str
    """`sm_90`…, or `cpu`."""
    multiprocessors: int
    """Of a GPU; cores of a processor."""
    shared_bytes_per_block: int
    """The most that a launch may have, static and dynamic together, in bytes; 0 on a processor."""

    @property
    def capability(self) -> int:
        """90 of `sm_90`; 0 of a processor."""
        return int("".join(filter(str.isdigit, self.arch)) or 0)

    def lacks(self, arch: str) -> str | None:
        """Why it does not do for a variant that needs `arch` or later; None where it does: for `supports`."""
        needed = Limits(arch, 0, 0).capability
        return None if self.capability >= needed else f"needs {arch} or later; this is {self.arch}"


@dataclass(frozen=True)
class Requirement:
    """A Python package that a variant needs beyond what the workbench installs."""

    module: str
    install: str
    """The line that a user types to get it."""


def _anything(shape: Shape) -> str | None:
    return None


def _any_settings(shape: Shape, settings: Mapping[str, Setting]) -> str | None:
    return None


@dataclass(frozen=True)
class Variant:
    """One way to compute an operation."""

    name: str
    """Unique within the operation's pass, in [a-z0-9_]."""
    operation: str
    devices: tuple[Device, ...]
    """Where it runs for real. CUDA kernels are, where there is no GPU, executed by the simulator as well."""
    idea: str
    """The one idea it adds, in one line."""
    plan: Callable[..., Plan]
    """(shape, settings) → its steps; or (shape, settings, limits) where they depend on the device's Limits."""
    cost: Callable[..., Cost]
    """(shape, settings), perhaps limits → what it declares to move and do."""
    factors: Mapping[str, str] = field(default_factory=dict)
    """Where it stands in the catalogue: algorithm, fusion, memory, batching…"""
    settings: Mapping[str, tuple[Setting, ...]] = field(default_factory=dict)
    """Tunables and their values; the first of each is the default."""
    refuses: Callable[..., str | None] = _any_settings
    """(shape, settings), perhaps limits → None, or the reason why these values of the tunables do not go together:
    they are never tried. The defaults must."""
    supports: Callable[..., str | None] = _anything
    """(shape), perhaps limits → None, or the reason why this shape cannot be done, or cannot be done there."""
    requires: tuple[Requirement, ...] = ()
    known_loss: str = ""
    """Why it misses the operation's tolerance, where that is its nature and the lesson: it is then still
    `incorrect` and has no time, but `check` does not fail for it."""
    own_kernels: bool = True
    """False where a cuda-only variant is a library's code alone: without a GPU nothing of it can be executed."""
    rung: int = 0
    """Position on the ladder from naive (low) to best (high) within the operation's pass."""
    pass_: str = FORWARD
    """The operation's pass that it computes."""
    at: str = field(default="", init=False, compare=False, repr=False)
    """FILE:LINE where it is declared, for messages."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", _written_at())

    @property
    def key(self) -> str:
        """`scan/serial`, and `scan/backward/serial`: unique in a catalogue."""
        return variant_key(self.operation, self.name, self.pass_)

    @property
    def operation_key(self) -> str:
        """The key of the operation in the pass that it computes."""
        return operation_key(self.operation, self.pass_)

    def default_settings(self) -> dict[str, Setting]:
        return {name: values[0] for name, values in self.settings.items()}


def ceil_div(a: int, b: int) -> int:
    """The least integer not under a / b: blocks that cover `a` items, `b` a block."""
    return -(-a // b)
