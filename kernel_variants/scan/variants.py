"""The scan's ladder: every way to compute it, the simplest first."""

from __future__ import annotations

from kernel_variants.scan import torch_rungs, trees
from kernel_variants.scan.cpu import CPU_VARIANTS
from kernel_variants.scan.peers import PEER_VARIANTS
from kernel_variants.scan.streams import SCAN
from kernel_variants.scan.tiles import look_back, look_back_ring, three_phase
from kernel_variants.scan.walks import prefetch, ring, serial, vector

VARIANTS = (
    *torch_rungs.RUNGS,
    *trees.RUNGS,
    serial(SCAN),
    vector(SCAN),
    prefetch(SCAN),
    three_phase(SCAN),
    ring(SCAN),
    look_back(SCAN, fixed_order=False),
    look_back(SCAN, fixed_order=True),
    look_back_ring(SCAN),
    *CPU_VARIANTS,
    *PEER_VARIANTS,
)
