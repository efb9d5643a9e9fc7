"""CPU rungs of any cell (include/cell_walk.hpp): one source, with ordinary stores and with stores past the caches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kernel_variants.scan.cells import Cell
from workbench.declare import Argument, Cost, Host, Plan, Settings, Shape, Tensor, Variant, chain

ONE_STEP = Shape.of(B=1, T=1, H=1, directions=1, phi=1, rows=3)
"""A shape of every axis that a cell is made of: what a rung is called and said of does not depend on it."""


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


def walked(
    cells: Callable[[Shape], tuple[Cell, ...]],
    source: Path,
    function: str,
    flops: int,
    exponentials: int,
    sums: Sums | None = None,
) -> tuple[Variant, Variant]:
    """The rungs `simd` and `streaming`. Of each of the cells at a shape `function` is called once: it takes the cell's
    streams and states in the order of `Cell.scanned`, B, T, H, and whether it walks from the end of time.

    `flops` and `exponentials` are what it spends on an element. With `sums` it takes, last, the tensor of sums
    over time that it makes of each sequence, and a second function adds up those of all."""
    example = cells(ONE_STEP)[0]

    def variant(past_caches: bool) -> Variant:
        def plan(shape: Shape, settings: Settings) -> Plan:
            scratch = (sums.tensor(shape),) if sums else ()
            return chain((Plan(steps(cell, shape, settings)) for cell in cells(shape)), scratch)

        def steps(cell: Cell, shape: Shape, settings: Settings) -> tuple[Host, ...]:
            sizes: tuple[Argument, ...] = (shape["B"], shape["T"], shape["H"], int(cell.reversed))
            defines = (("SLICE", settings["slice"]), ("STORES_STREAM", int(past_caches)), *cell.options)
            if sums is None:
                return (Host(source, function, (*cell.scanned(shape), *sizes), defines),)
            walk = Host(source, function, (*cell.scanned(shape), *sizes, sums.name), defines)
            of_all = sums.of(shape, cell)
            return walk, Host(source, sums.function, (sums.name, of_all, shape["B"], sums.count * shape["H"]), defines)

        def cost(shape: Shape, settings: Settings) -> Cost:
            """As the cell reads and writes; ordinary stores read the lines that they overwrite."""
            n = shape["B"] * shape["T"] * shape["H"]
            total = Cost(0)
            for cell in cells(shape):
                walked = cell.cost(shape, launches=0, serial_steps=shape["T"])
                written = n * sum(stream.value_bytes(shape) for stream in cell.outputs)
                allocated = 0 if past_caches else written
                total += replace(
                    walked,
                    bytes=walked.bytes + allocated,
                    flops=n * flops,
                    special=n * exponentials,
                    write_allocate=allocated,
                )
            return total

        return Variant(
            name="streaming" if past_caches else "simd",
            operation=example.operation,
            pass_=example.pass_,
            devices=("cpu",),
            idea="outputs written past the caches in whole lines"
            if past_caches
            else "vectors over channels, every core",
            plan=plan,
            cost=cost,
            factors={
                "algorithm": "serial",
                "source": "c++",
                "memory": "non-temporal stores" if past_caches else "cached stores",
            },
            settings={"slice": (4096, 512)},
            rung=57 if past_caches else 56,
        )

    return variant(False), variant(True)
