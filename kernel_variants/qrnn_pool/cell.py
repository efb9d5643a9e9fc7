"""QRNN's cells: include/cell_qrnn.cuh and its backward pass, for each kind of pooling."""

from __future__ import annotations

from kernel_variants.scan.cells import Cell, Stream
from workbench.declare import Shape

F_POOLING, FO_POOLING, IFO_POOLING = 2, 3, 4
"""The axis rows: k and v; k, v and o; k, v, o and i."""
SPECIAL_PER_ROW = 2
"""An exponential and a reciprocal for each (include/curve.cuh)."""
FLOPS = 20
"""Additions and multiplications for a and b."""
STATES = {F_POOLING: "h"}
"""What holds c of every step: h itself where it is c."""


def states_of(shape: Shape) -> str:
    return STATES.get(shape["rows"], "c")


def forward_cells(shape: Shape) -> tuple[Cell, ...]:
    rows = shape["rows"]
    has_output_gate = rows > F_POOLING
    return (
        Cell(
            "qrnn_pool",
            "CELL_QRNN",
            tuple(Stream("pre", part=part, mapped=part != 2) for part in range(rows)),
            (Stream("h"), Stream("c")) if has_output_gate else (Stream("h"),),
            flops_per_step=FLOPS,
            special_per_step=SPECIAL_PER_ROW * (rows - has_output_gate),
            flops_per_output=5 * has_output_gate,
            special_per_output=SPECIAL_PER_ROW * has_output_gate,
            emits_state=not has_output_gate,
            held=2 + has_output_gate,
            first="c0",
            last="c_last",
            options=(("POOL_ROWS", rows),),
        ),
    )


def backward_cells(shape: Shape) -> tuple[Cell, ...]:
    """Of k, o and gh alone the affine map is made."""
    rows = shape["rows"]
    return (
        Cell(
            "qrnn_pool",
            "CELL_QRNN_BACKWARD",
            (
                *(Stream("pre", part=part, kept=True, mapped=part in (0, 2)) for part in range(rows)),
                Stream("gh"),
                Stream(states_of(shape), first="c0", kept=True, mapped=False),
            ),
            tuple(Stream("dpre", part=part) for part in range(rows)),
            flops_per_step=FLOPS + 5 * rows,
            special_per_step=SPECIAL_PER_ROW * rows,
            flops_per_output=2 + rows,
            emits_state=False,
            held=6,
            reversed=True,
            first="gc_last",
            last="dc0",
            pass_="backward",
            options=(("POOL_ROWS", rows),),
        ),
    )
