"""QRNN's ladders: the scan's own kernels, compiled for its pooling."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.qrnn_pool import in_torch
from kernel_variants.qrnn_pool.cell import backward_cells, forward_cells
from kernel_variants.scan.cell_walk import Walk
from kernel_variants.scan.variants import for_another_cell

SOURCE = Path(__file__).parent / "56_walk.cpp"

FORWARD = Walk(forward_cells, SOURCE, "qrnn_pool_walk", flops=62, exponentials=3)
BACKWARD = Walk(backward_cells, SOURCE, "qrnn_pool_walk_backward", flops=76, exponentials=3)

VARIANTS = (
    *in_torch.RUNGS,
    *for_another_cell(forward_cells),
    *FORWARD.rungs(),
    *for_another_cell(backward_cells),
    *BACKWARD.rungs(),
)
