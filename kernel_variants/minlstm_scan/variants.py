"""minLSTM's ladders: gates that vanish, gates that hold, and the scan's own kernels compiled for its cell."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.minlstm_scan import in_torch
from kernel_variants.minlstm_scan.cell import BACKWARD_CELL, FORWARD_CELL
from kernel_variants.scan.cell_walk import Walk
from kernel_variants.scan.variants import for_another_cell

SOURCE = Path(__file__).parent / "56_walk.cpp"

FORWARD = Walk(lambda shape: (FORWARD_CELL,), SOURCE, "minlstm_scan_walk", flops=78, exponentials=4)
BACKWARD = Walk(lambda shape: (BACKWARD_CELL,), SOURCE, "minlstm_scan_walk_backward", flops=125, exponentials=6)

VARIANTS = (
    *in_torch.RUNGS,
    *for_another_cell(lambda shape: (FORWARD_CELL,)),
    *FORWARD.rungs(),
    *for_another_cell(lambda shape: (BACKWARD_CELL,)),
    *BACKWARD.rungs(),
)
