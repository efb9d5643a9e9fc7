"""The scan's ladders, forward and backward: every way to compute it, the simplest first.

A backward rung is a forward rung compiled for another cell (cells.py): what it reads and emits differs, the idea does
not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from kernel_variants.scan import backward_in_torch, in_torch, parallel_in_time
from kernel_variants.scan.cell_walk import ONE_STEP
from kernel_variants.scan.cells import SCAN, SCAN_BACKWARD, Cell
from kernel_variants.scan.cpu import BACKWARD_CPU_VARIANTS, CPU_VARIANTS
from kernel_variants.scan.peers import BACKWARD_PEERS, PEER_VARIANTS
from kernel_variants.scan.serial_in_time import prefetch, ring, serial, vector
from kernel_variants.scan.split_in_time import look_back, look_back_plain, look_back_ring, three_phase
from workbench.declare import Cost, Plan, Settings, Shape, Variant, chain


def with_a_channel_per_thread(cell: Cell) -> tuple[Variant, ...]:
    """The rungs from `serial` on, of any cell."""
    return (
        serial(cell),
        vector(cell),
        prefetch(cell),
        three_phase(cell),
        ring(cell),
        look_back_plain(cell),
        look_back(cell, fixed_order=False),
        look_back(cell, fixed_order=True),
        look_back_ring(cell),
    )


OF_EACH_IDEA = (serial, vector, prefetch, three_phase, ring, partial(look_back, fixed_order=False))


def for_another_cell(
    cells: Callable[[Shape], tuple[Cell, ...]], rungs: tuple[Callable[[Cell], Variant], ...] = OF_EACH_IDEA
) -> tuple[Variant, ...]:
    """A rung of each idea, for a cell that is not the ladder's own. `cells` are those that a shape takes, one after the
    other: one, or one for each direction of time."""
    return tuple(_in_turn(rung, cells) for rung in rungs)


def _in_turn(rung: Callable[[Cell], Variant], cells: Callable[[Shape], tuple[Cell, ...]]) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        return chain(rung(cell).plan(shape, settings) for cell in cells(shape))

    def cost(shape: Shape, settings: Settings) -> Cost:
        first, *others = (rung(cell).cost(shape, settings) for cell in cells(shape))
        return sum(others, first)

    return replace(rung(cells(ONE_STEP)[0]), plan=plan, cost=cost)


VARIANTS = (
    *in_torch.RUNGS,
    *parallel_in_time.rungs(SCAN),
    *with_a_channel_per_thread(SCAN),
    *CPU_VARIANTS,
    *PEER_VARIANTS,
    *backward_in_torch.RUNGS,
    *parallel_in_time.rungs(SCAN_BACKWARD),
    *with_a_channel_per_thread(SCAN_BACKWARD),
    *BACKWARD_CPU_VARIANTS,
    *BACKWARD_PEERS,
)
