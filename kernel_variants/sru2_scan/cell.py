"""SRU's second version as cells: what its serial forward walk reads, and its backward pass, which any scan serves."""

from __future__ import annotations

from dataclasses import replace

from kernel_variants.scan.cells import Cell, Stream
from kernel_variants.sru_scan import cell as first_version
from workbench.declare import Argument, At, Shape

WEIGHTS = 2
"""w_k and w_r."""


def weights_of(shape: Shape, tensor: str, direction: int) -> Argument:
    """A direction's row pair of (directions, 2, H)."""
    return At(tensor, direction * WEIGHTS * shape["H"]) if direction else tensor


def _w(direction: int) -> tuple[Stream, ...]:
    return tuple(Stream("w", part=direction * WEIGHTS + row, dtype="float32", constant=True) for row in range(WEIGHTS))


def forward_cells(shape: Shape) -> tuple[Cell, ...]:
    """No kernel of scan serves them: their steps are no affine maps."""
    return tuple(
        replace(
            cell,
            operation="sru2_scan",
            define="",
            inputs=(*cell.inputs, *_w(direction)),
            flops_per_step=cell.flops_per_step + 4,
        )
        for direction, cell in enumerate(first_version.forward_cells(shape))
    )


def backward_cells(shape: Shape) -> tuple[Cell, ...]:
    return tuple(
        replace(
            cell,
            operation="sru2_scan",
            define="CELL_SRU2_BACKWARD",
            inputs=(*(replace(one, mapped=True) for one in cell.inputs[:-1]), *_w(direction), cell.inputs[-1]),
            flops_per_step=cell.flops_per_step + 9,
            held=7,
        )
        for direction, cell in enumerate(first_version.backward_cells(shape))
    )
