"""Walks of any cell over time on the CPU (include/cell_walk.hpp): what the rungs `simd` and `streaming` run, and layers
where nothing was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kernel_variants.scan.cells import Cell
from workbench.declare import Argument, At, Cost, Host, Plan, Settings, Shape, Tensor, Variant

ONE_STEP = Shape.of(B=1, T=1, H=1, directions=1, phi=1, rows=3, dropout=1)
"""A shape of every axis that a cell is made of: what a rung is called and said of does not depend on it."""
SETTINGS = {"slice": (4096, 512)}
EVERY_CORE = 0
"""Of a walk's threads: as many as OpenMP has."""


@dataclass(frozen=True)
class Sums:
    """Sums over time that a walk makes of each sequence, (B, count, H), and where those over sequences go."""

    name: str
    count: int
    function: str
    """Takes the sums of each sequence, those of all, B, and the numbers of a sequence."""
    of: Callable[[Shape, Cell], Argument]

    def tensor(self, shape: Shape) -> Tensor:
        return Tensor(self.name, (shape["B"], self.count, shape["H"]), "float32", "scratch")


@dataclass(frozen=True)
class Walk:
    """A function of a C++ source, called once for each of the cells at a shape.

    It takes the cell's streams and states in the order of `Cell.scanned`, B, T, H, whether it walks from the end of
    time, marks of steps, how many threads, the cell's `numbers`, and with `sums` the tensor of sums over time that it
    makes of each sequence; a second function adds up those of all.
    """

    cells: Callable[[Shape], tuple[Cell, ...]]
    source: Path
    function: str
    flops: int
    """Spent on an element."""
    exponentials: int
    """Spent on an element."""
    sums: Sums | None = None
    numbers: tuple[str, ...] = ()
    """Those of a cell's options that are arguments; the source is compiled with the others."""

    def plan(
        self,
        shape: Shape,
        past_caches: bool,
        slice_: int | str = SETTINGS["slice"][0],
        marks: str | None = None,
        reverse: bool = False,
        threads: int = EVERY_CORE,
    ) -> Plan:
        """`marks`: a tensor (cells, B, T) of bytes (include/time_walk.hpp). `reverse`: cells walk the other way."""
        steps: list[Host] = []
        for place, cell in enumerate(self.cells(shape)):
            compiled = tuple(option for option in cell.options if option[0] not in self.numbers)
            defines = (("SLICE", slice_), ("STORES_STREAM", int(past_caches)), *compiled)
            numbers = tuple(value for name, value in cell.options if name in self.numbers)
            own_marks = At(marks, place * shape["B"] * shape["T"]) if marks else None
            sizes = (shape["B"], shape["T"], shape["H"], int(cell.reversed != reverse), own_marks, threads)
            arguments = (*cell.scanned(shape), *sizes, *map(int, numbers))
            if self.sums is None:
                steps.append(Host(self.source, self.function, arguments, defines))
                continue
            count, of_all = self.sums.count * shape["H"], self.sums.of(shape, cell)
            steps.append(Host(self.source, self.function, (*arguments, self.sums.name), defines))
            steps.append(Host(self.source, self.sums.function, (self.sums.name, of_all, shape["B"], count), defines))
        return Plan(tuple(steps), (self.sums.tensor(shape),) if self.sums else ())

    def cost(self, shape: Shape, past_caches: bool) -> Cost:
        """As the cell reads and writes; ordinary stores read the lines that they overwrite."""
        n = shape["B"] * shape["T"] * shape["H"]
        total = Cost(0)
        for cell in self.cells(shape):
            walked = cell.cost(shape, launches=0, serial_steps=shape["T"])
            written = n * sum(stream.value_bytes(shape) for stream in cell.outputs)
            allocated = 0 if past_caches else written
            total += replace(
                walked,
                bytes=walked.bytes + allocated,
                flops=n * self.flops,
                special=n * self.exponentials,
                write_allocate=allocated,
            )
        return total

    def rungs(self) -> tuple[Variant, Variant]:
        """`simd` and `streaming`."""
        return self._rung(past_caches=False), self._rung(past_caches=True)

    def _rung(self, past_caches: bool) -> Variant:
        example = self.cells(ONE_STEP)[0]

        def plan(shape: Shape, settings: Settings) -> Plan:
            return self.plan(shape, past_caches, settings["slice"])

        return Variant(
            name="streaming" if past_caches else "simd",
            operation=example.operation,
            pass_=example.pass_,
            devices=("cpu",),
            idea="outputs written past the caches in whole lines"
            if past_caches
            else "vectors over channels, every core",
            plan=plan,
            cost=lambda shape, settings: self.cost(shape, past_caches),
            factors={
                "algorithm": "serial",
                "source": "c++",
                "memory": "non-temporal stores" if past_caches else "cached stores",
            },
            settings=SETTINGS,
            rung=57 if past_caches else 56,
        )
