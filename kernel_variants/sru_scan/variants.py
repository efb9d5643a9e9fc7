"""SRU's ladders: the paper's serial kernel, and what a scan makes possible: the same cell parallel in time."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.scan.cell_walk import walked
from kernel_variants.scan.variants import for_another_cell
from kernel_variants.sru_scan import in_torch
from kernel_variants.sru_scan.cell import backward_cells, forward_cells

SOURCE = Path(__file__).parent / "56_walk.cpp"

VARIANTS = (
    *in_torch.RUNGS,
    *for_another_cell(forward_cells),
    *walked(forward_cells, SOURCE, "sru_scan_walk", flops=42, exponentials=2),
    *for_another_cell(backward_cells),
    *walked(backward_cells, SOURCE, "sru_scan_walk_backward", flops=55, exponentials=2),
)
