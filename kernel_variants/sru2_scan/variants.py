"""SRU's second version: serial forwards, and backwards by every scan there is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from kernel_variants.scan.cell_walk import Sums, Walk
from kernel_variants.scan.cells import Cell
from kernel_variants.scan.grid_and_tile import few_sequences
from kernel_variants.scan.serial_in_time import prefetch, ring
from kernel_variants.scan.split_in_time import look_back, three_phase
from kernel_variants.scan.variants import for_another_cell
from kernel_variants.sru2_scan import in_torch
from kernel_variants.sru2_scan.cell import WEIGHTS, backward_cells, forward_cells, weights_of
from kernel_variants.sru_scan.cell import NUMBERS
from workbench.declare import Cost, Kernel, Plan, Settings, Shape, Tensor, Variant, ceil_div, chain

HERE = Path(__file__).parent
PIECE = 256
"""Steps that a thread of 51_weight_sums.cu adds up."""
WIDTH = 128
"""Threads of a block there."""


def _serial(shape: Shape, settings: Settings) -> Plan:
    block = int(settings["block"])
    grid, sizes = (ceil_div(shape["H"], block), shape["B"], 1), (shape["T"], shape["H"])
    steps = []
    for direction, cell in enumerate(forward_cells(shape)):
        rows = cell.read(shape)[:-WEIGHTS]
        states = (weights_of(shape, "w", direction), cell.first, *cell.written(shape), cell.last)
        defines = (("AHEAD", settings["ahead"]), *cell.defines)
        steps.append(Kernel(HERE / "50_serial.cu", "sru2_serial", grid, (block, 1, 1), (*rows, *states, *sizes),
                            defines=defines))  # fmt: skip
    return Plan(tuple(steps))


def _serial_cost(shape: Shape, settings: Settings) -> Cost:
    first, *others = (cell.cost(shape, 1, shape["T"]) for cell in forward_cells(shape))
    return sum(others, first)


def _pieces(shape: Shape, count: int) -> Tensor:
    return Tensor("pieces", (shape["B"] * count, WEIGHTS, shape["H"]), "float32", "scratch")


def _total(shape: Shape, direction: int, count: int) -> Kernel:
    width = WEIGHTS * shape["H"]
    arguments = ("pieces", weights_of(shape, "dw", direction), shape["B"] * count, width)
    defines = backward_cells(shape)[direction].defines  # those of the kernel beside it: one compilation of the file
    return Kernel(HERE / "51_weight_sums.cu", "sru2_weight_total", (ceil_div(width, WIDTH), 1, 1), (WIDTH, 1, 1),
                  arguments, defines=defines)  # fmt: skip


def _serial_backward(shape: Shape, settings: Settings) -> Plan:
    block = int(settings["block"])
    grid, sizes = (ceil_div(shape["H"], block), shape["B"], 1), (shape["T"], shape["H"])
    steps = []
    for direction, cell in enumerate(backward_cells(shape)):
        arguments = (*cell.scanned(shape), "pieces", *sizes)
        steps += [Kernel(HERE / "51_serial_backward.cu", "sru2_serial_backward", grid, (block, 1, 1), arguments,
                         defines=cell.defines), _total(shape, direction, 1)]  # fmt: skip
    return Plan(tuple(steps), (_pieces(shape, 1),))


def _serial_backward_cost(shape: Shape, settings: Settings) -> Cost:
    """Sums are written and read once a sequence, and those of all sequences written."""
    sums = 4 * WEIGHTS * shape["H"] * (2 * shape["B"] + 1)
    first, *others = (cell.cost(shape, 2, shape["T"], extra_bytes=sums) for cell in backward_cells(shape))
    return sum(others, first)


def _and_sums(variant: Variant) -> Variant:
    """A rung of scan, and its results summed apart."""

    def sums(shape: Shape, direction: int, cell: Cell) -> Plan:
        B, T, H = shape["B"], shape["T"], shape["H"]
        dk, _, dr, *_ = cell.written(shape)
        c, c0 = cell.read(shape)[-2:]
        count = ceil_div(T, PIECE)
        pieces = Kernel(HERE / "51_weight_sums.cu", "sru2_weight_pieces", (ceil_div(H, WIDTH), count, B),
                        (WIDTH, 1, 1), (dk, dr, c, c0, "pieces", T, H, PIECE), defines=cell.defines)  # fmt: skip
        return Plan((pieces, _total(shape, direction, count)), (_pieces(shape, count),))

    def plan(shape: Shape, settings: Settings) -> Plan:
        apart = (sums(shape, direction, cell) for direction, cell in enumerate(backward_cells(shape)))
        return chain((variant.plan(shape, settings), *apart))

    def cost(shape: Shape, settings: Settings) -> Cost:
        n, H, count = shape["B"] * shape["T"] * shape["H"], shape["H"], shape["B"] * ceil_div(shape["T"], PIECE)
        moved = 3 * n * shape.element_bytes + 4 * WEIGHTS * H * (2 * count + 1)
        total = variant.cost(shape, settings)
        for _ in range(shape["directions"]):
            total += Cost(moved, flops=4 * n, launches=2, serial_steps=PIECE + count)
        return total

    return replace(variant, plan=plan, cost=cost)


SERIAL = Variant(
    name="serial",
    operation="sru2_scan",
    devices=("cuda",),
    idea="a thread per channel, the next steps on the way in registers",
    plan=_serial,
    cost=_serial_cost,
    factors={"algorithm": "serial", "source": "cuda", "memory": "register prefetch"},
    settings={"ahead": (8, 16, 4), "block": (64, 32, 128)},
    supports=few_sequences,
    rung=50,
)
SERIAL_BACKWARD = Variant(
    name="serial",
    operation="sru2_scan",
    pass_="backward",
    devices=("cuda",),
    idea="a thread per channel, the weights' gradients summed in registers",
    plan=_serial_backward,
    cost=_serial_backward_cost,
    factors={"algorithm": "serial", "source": "cuda", "memory": "direct"},
    settings={"block": (128, 64, 256)},
    supports=few_sequences,
    rung=51,
)
PARALLEL = (prefetch, three_phase, ring, partial(look_back, fixed_order=False))
SUMS = Sums("sums", WEIGHTS, "sru2_scan_sum", lambda shape, cell: weights_of(shape, "dw", int(not cell.reversed)))
SOURCE = HERE / "56_walk.cpp"
FORWARD = Walk(forward_cells, SOURCE, "sru2_scan_walk", flops=46, exponentials=2, numbers=NUMBERS)
BACKWARD = Walk(backward_cells, SOURCE, "sru2_scan_walk_backward", flops=68, exponentials=2, sums=SUMS, numbers=NUMBERS)

VARIANTS = (
    *in_torch.RUNGS,
    SERIAL,
    *FORWARD.rungs(),
    SERIAL_BACKWARD,
    *map(_and_sums, for_another_cell(backward_cells, PARALLEL)),
    *BACKWARD.rungs(),
)
