"""The cells that a scan kernel can be compiled for: the declaring side of include/cell.cuh.

A kernel of `scan` is compiled for the plain cell and reads a and b; compiled for minGRU's it reads the halves k and v
of kv and is a kernel of `gated_scan`. A `Cell` holds all that differs, so that a rung is declared once for every cell.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.declare import DTYPE_BYTES, Argument, At, Cost, Defines, Shape

SPECIAL_PER_GATE_PAIR = 3
"""exp(-|k|), exp(-|v|) and one reciprocal: include/gates.cuh."""
LEAST_SPECIAL_PER_GATE_PAIR = 2
"""The two exponentials: a reciprocal can be had from the ordinary pipes, as CPUs do."""
FLOPS_PER_GATE_PAIR = 12
"""Additions and multiplications that include/gates.cuh spends on one a and b."""


@dataclass(frozen=True)
class Stream:
    """One stream of a cell, (B, T, H) or a part of a tensor (B, T, parts, H): a STREAM of its header."""

    tensor: str
    part: int = 0
    dtype: str = ""
    """What crosses memory, whatever the shape's dtype; empty: the shape's dtype."""

    def argument(self, shape: Shape) -> Argument:
        return At(self.tensor, self.part * shape["H"]) if self.part else self.tensor

    def value_bytes(self, shape: Shape) -> int:
        return DTYPE_BYTES[self.dtype or shape.dtype]


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
    emits_state: bool = True
    """Whether a step's outputs are the state after it, so that nothing else of the step is needed to write them."""
    reversed: bool = False
    """Walked from the last step to the first."""
    first: str = "h0"
    """The tensor (B, H), float32, that holds the state before the first step that is walked."""
    last: str = "h_last"
    """The tensor (B, H), float32, that takes the state after the last one."""

    @property
    def gated(self) -> bool:
        """Whether steps are computed rather than read."""
        return self.flops_per_step > 0

    @property
    def defines(self) -> Defines:
        return ((self.define, 1),) * bool(self.define) + (("REVERSED", 1),) * self.reversed

    def read(self, shape: Shape) -> tuple[Argument, ...]:
        """The arguments of INPUTS (include/cell.cuh)."""
        return tuple(stream.argument(shape) for stream in self.inputs)

    def written(self, shape: Shape) -> tuple[Argument, ...]:
        """The arguments of OUTPUTS."""
        return tuple(stream.argument(shape) for stream in self.outputs)

    def scanned(self, shape: Shape) -> tuple[Argument, ...]:
        """The arguments that begin every kernel which computes a whole scan."""
        return (*self.read(shape), self.first, *self.written(shape), self.last)

    def step_bytes(self, shape: Shape) -> int:
        """Bytes that are read for one element of one step."""
        return sum(stream.value_bytes(shape) for stream in self.inputs)

    def cost(
        self, shape: Shape, launches: int, serial_steps: int, reads: int = 1, extra_bytes: int = 0, flops: int = 2
    ) -> Cost:
        """Inputs read `reads` times (and gates computed as often), outputs written once, the two states, extra bytes.

        `flops` is what the scan itself spends on an element, over all reads.
        """
        n = shape["B"] * shape["T"] * shape["H"]
        return self.read_and_written(shape, reads * n, extra_bytes, flops * n, launches, serial_steps)

    def read_and_written(
        self, shape: Shape, element_steps: int, extra_bytes: int, flops: int, launches: int, serial_steps: int
    ) -> Cost:
        """The same, of an algorithm that reads (and computes) `element_steps` steps of single channels in all and
        spends `flops` on the scan itself."""
        states = 2 * DTYPE_BYTES["float32"] * shape["B"] * shape["H"]
        written = shape["B"] * shape["T"] * shape["H"] * sum(stream.value_bytes(shape) for stream in self.outputs)
        return Cost(
            bytes=element_steps * self.step_bytes(shape) + written + states + extra_bytes,
            flops=flops + self.flops_per_step * element_steps,
            special=self.special_per_step * element_steps,
            launches=launches,
            serial_steps=serial_steps,
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
