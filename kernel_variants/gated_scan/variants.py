"""The ladder of the scan with its gates: first the traffic between gates and scan goes, then as in `scan`."""

from __future__ import annotations

from kernel_variants.gated_scan import gates_apart
from kernel_variants.gated_scan.cpu import CPU_VARIANTS
from kernel_variants.gated_scan.in_torch import EAGER
from kernel_variants.gated_scan.peers import PEER_VARIANTS
from kernel_variants.scan.cells import GATED_SCAN
from kernel_variants.scan.serial_in_time import prefetch, ring, serial, vector
from kernel_variants.scan.split_in_time import look_back, look_back_plain, look_back_ring, three_phase

VARIANTS = (
    EAGER,
    *gates_apart.RUNGS,
    serial(GATED_SCAN),
    vector(GATED_SCAN),
    prefetch(GATED_SCAN),
    three_phase(GATED_SCAN),
    ring(GATED_SCAN),
    look_back_plain(GATED_SCAN),
    look_back(GATED_SCAN, fixed_order=False),
    look_back(GATED_SCAN, fixed_order=True),
    look_back_ring(GATED_SCAN),
    *CPU_VARIANTS,
    *PEER_VARIANTS,
)
