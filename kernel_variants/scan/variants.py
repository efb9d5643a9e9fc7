"""The scan's ladder: every way to compute it, the simplest first."""

from __future__ import annotations

from kernel_variants.scan import in_torch, parallel_in_time
from kernel_variants.scan.cells import SCAN
from kernel_variants.scan.cpu import CPU_VARIANTS
from kernel_variants.scan.peers import PEER_VARIANTS
from kernel_variants.scan.serial_in_time import prefetch, ring, serial, vector
from kernel_variants.scan.split_in_time import look_back, look_back_plain, look_back_ring, three_phase

VARIANTS = (
    *in_torch.RUNGS,
    *parallel_in_time.RUNGS,
    serial(SCAN),
    vector(SCAN),
    prefetch(SCAN),
    three_phase(SCAN),
    ring(SCAN),
    look_back_plain(SCAN),
    look_back(SCAN, fixed_order=False),
    look_back(SCAN, fixed_order=True),
    look_back_ring(SCAN),
    *CPU_VARIANTS,
    *PEER_VARIANTS,
)
