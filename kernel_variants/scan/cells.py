"""The cells that a scan kernel can be compiled for: the declaring side of include/cell.cuh.

A kernel of `scan` is compiled for the plain cell and reads a and b; compiled for minGRU's it reads the halves k and v
of kv and is a kernel of `gated_scan`; compiled for a backward cell it walks from the end of time and writes gradients.
A `Cell` holds all that differs, so that a rung is declared once for every cell. Those of minLSTM, SRU and QRNN stand in
their operations' folders.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.declare import DTYPE_BYTES, FORWARD, Argument, At, Cost, Defines, Shape

SPECIAL_PER_GATE_PAIR = 3
"""exp(-k), exp(-|v|) and one reciprocal: include/gates.cuh."""
LEAST_SPECIAL_PER_GATE_PAIR = 2
"""The two exponentials: a reciprocal can be had from the ordinary pipes, as CPUs do."""
FLOPS_PER_GATE_PAIR = 10
"""Additions and multiplications that include/gates.cuh spends on one a and b."""


@dataclass(frozen=True)
class Stream:
    """One stream of a cell, (B, T, H) or a part of a tensor (B, T, parts, H): a STREAM of its header."""

    tensor: str
    part: int = 0
    dtype: str = ""
    """What crosses memory, whatever the shape's dtype; empty: the shape's dtype."""
    first: Argument = ""
    """Of a stream that is read at the step before (CELL_EARLIER of its header): the tensor (B, H), float32, that stands
    for the step before the first."""
    kept: bool = False
    """Whether the forward pass must keep it for this one."""
    mapped: bool = True
    """Whether a step's affine map is made of it; else it is needed for what the step emits alone."""
    constant: bool = False
    """Whether it is one row, (H), the same at every step: memory is read for it once, which counts for nothing."""

    def argument(self, shape: Shape) -> Argument:
        return At(self.tensor, self.part * shape["H"]) if self.part else self.tensor

    def value_bytes(self, shape: Shape) -> int:
        return DTYPE_BYTES[self.dtype or shape.dtype]

    def moved_bytes(self, shape: Shape) -> int:
        return 0 if self.constant else self.value_bytes(shape)


@dataclass(frozen=True)
class Cell:
    """What a scan kernel reads, computes per step and writes. Streams stand in the order of the cell's header."""

    operation: str
    define: str
    """The name that selects the header in include/cell.cuh; empty: the plain scan."""
    inputs: tuple[Stream, ...]
    outputs: tuple[Stream, ...]
    flops_per_step: int = 0
    """Operations that make one element's affine map, beside the scan's own."""
    special_per_step: int = 0
    """Special functions that do."""
    flops_per_output: int = 0
    """Operations that make a step's outputs of the state."""
    special_per_output: int = 0
    """Special functions that do."""
    emits_state: bool = True
    """Whether a step's outputs are the state after it, so that nothing else of the step is needed to write them."""
    held: int = 2
    """Numbers that a thread keeps of a step: the size of its Step."""
    reversed: bool = False
    """Walked from the last step to the first."""
    first: Argument = "h0"
    """The tensor (B, H), float32, that holds the state before the first step that is walked."""
    last: Argument = "h_last"
    """The tensor (B, H), float32, that takes the state after the last one."""
    pass_: str = FORWARD
    options: Defines = ()
    """What else the header is compiled with."""

    @property
    def gated(self) -> bool:
        """Whether steps are computed rather than read."""
        return self.special_per_step > 0

    @property
    def defines(self) -> Defines:
        return ((self.define, 1),) * bool(self.define) + (("REVERSED", 1),) * self.reversed + self.options

    def read(self, shape: Shape) -> tuple[Argument, ...]:
        """The arguments of INPUTS (include/streams.cuh)."""
        found: list[Argument] = []
        for stream in self.inputs:
            found.append(stream.argument(shape))
            if stream.first:
                found.append(stream.first)
        return tuple(found)

    def written(self, shape: Shape) -> tuple[Argument, ...]:
        """The arguments of OUTPUTS."""
        return tuple(stream.argument(shape) for stream in self.outputs)

    def scanned(self, shape: Shape) -> tuple[Argument, ...]:
        """The arguments that begin every kernel which computes a whole scan."""
        return (*self.read(shape), self.first, *self.written(shape), self.last)

    def step_bytes(self, shape: Shape) -> int:
        """Bytes of all streams at one element of one step: what a stage of a ring holds of it."""
        return sum(stream.value_bytes(shape) for stream in self.inputs)

    def cost(
        self, shape: Shape, launches: int, serial_steps: int, reads: int = 1, extra_bytes: int = 0, flops: int = 2
    ) -> Cost:
        """Inputs read `reads` times (and gates computed as often), outputs written once, the states, extra bytes.

        Of several reads all but one are for the affine maps alone. `flops` is what the scan itself spends on an
        element, over all reads.
        """
        n = shape["B"] * shape["T"] * shape["H"]
        maps = (reads - 1) * n
        return self.read_and_written(shape, n, maps, extra_bytes, flops * n, launches, serial_steps)

    def read_and_written(
        self,
        shape: Shape,
        element_steps: int,
        mapped_steps: int,
        extra_bytes: int,
        flops: int,
        launches: int,
        serial_steps: int,
    ) -> Cost:
        """The same, of an algorithm that reads (and computes) `element_steps` steps of single channels whole and
        `mapped_steps` for their affine maps alone, and spends `flops` on the scan itself."""
        states = (2 + sum(bool(stream.first) for stream in self.inputs)) * shape["B"] * shape["H"]
        n = shape["B"] * shape["T"] * shape["H"]
        written = n * sum(stream.value_bytes(shape) for stream in self.outputs)
        mapped = sum(stream.moved_bytes(shape) for stream in self.inputs if stream.mapped)
        whole = sum(stream.moved_bytes(shape) for stream in self.inputs)
        read = element_steps * whole + mapped_steps * mapped
        steps = element_steps + mapped_steps
        return Cost(
            bytes=read + written + DTYPE_BYTES["float32"] * states + extra_bytes,
            flops=flops + self.flops_per_step * steps + self.flops_per_output * n,
            special=self.special_per_step * steps + self.special_per_output * n,
            launches=launches,
            serial_steps=serial_steps,
            kept_bytes=n * sum(stream.value_bytes(shape) for stream in self.inputs if stream.kept),
        )


SCAN = Cell("scan", "", (Stream("a", dtype="float32"), Stream("b", dtype="float32")), (Stream("h"),))
GATED_SCAN = Cell(
    "gated_scan",
    "CELL_MINGRU",
    (Stream("kv"), Stream("kv", part=1)),
    (Stream("h"),),
    flops_per_step=FLOPS_PER_GATE_PAIR,
    special_per_step=SPECIAL_PER_GATE_PAIR,
)
SCAN_BACKWARD = Cell(
    "scan",
    "CELL_SCAN_BACKWARD",
    (
        Stream("a", dtype="float32", kept=True),
        Stream("gh"),
        Stream("h", first="h0", kept=True, mapped=False),
    ),
    (Stream("da", dtype="float32"), Stream("db", dtype="float32")),
    flops_per_step=1,
    flops_per_output=2,
    emits_state=False,
    held=3,
    reversed=True,
    first="gh_last",
    last="dh0",
    pass_="backward",
)
"""mu_t = a_t mu_{t+1} + a_t gh_t, from the end of time; of it and of h_{t-1} the gradients of a and b."""
GATED_SCAN_BACKWARD = Cell(
    "gated_scan",
    "CELL_MINGRU_BACKWARD",
    (
        Stream("kv", kept=True),
        Stream("kv", part=1, kept=True),
        Stream("gh"),
        Stream("h", first="h0", kept=True, mapped=False),
    ),
    (Stream("dkv"), Stream("dkv", part=1)),
    flops_per_step=FLOPS_PER_GATE_PAIR + 6,
    special_per_step=SPECIAL_PER_GATE_PAIR,
    flops_per_output=3,
    emits_state=False,
    held=4,
    reversed=True,
    first="gh_last",
    last="dh0",
    pass_="backward",
)
"""The same with a made of k again, and the gradients of k and v."""
