"""SRU's ladders: the paper's serial kernel, and what a scan makes possible: the same cell parallel in time."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.scan.cell_walk import Walk
from kernel_variants.scan.variants import for_another_cell
from kernel_variants.sru_scan import in_torch
from kernel_variants.sru_scan.cell import NUMBERS, backward_cells, forward_cells

SOURCE = Path(__file__).parent / "56_walk.cpp"

FORWARD = Walk(forward_cells, SOURCE, "sru_scan_walk", flops=42, exponentials=2, numbers=NUMBERS)
BACKWARD = Walk(backward_cells, SOURCE, "sru_scan_walk_backward", flops=55, exponentials=2, numbers=NUMBERS)

VARIANTS = (
    *in_torch.RUNGS,
    *for_another_cell(forward_cells),
    *FORWARD.rungs(),
    *for_another_cell(backward_cells),
    *BACKWARD.rungs(),
)
