"""The ladder of the scan with its gates: first the traffic between gates and scan goes, then as in `scan`."""

from __future__ import annotations

from kernel_variants.gated_scan import apart
from kernel_variants.gated_scan.cpu import CPU_VARIANTS
from kernel_variants.gated_scan.peers import PEER_VARIANTS
from kernel_variants.gated_scan.torch_rungs import EAGER
from kernel_variants.scan.streams import GATED_SCAN
from kernel_variants.scan.tiles import look_back, look_back_ring, three_phase
from kernel_variants.scan.walks import prefetch, ring, serial, vector

VARIANTS = (
    EAGER,
    *apart.RUNGS,
    serial(GATED_SCAN),
    vector(GATED_SCAN),
    prefetch(GATED_SCAN),
    three_phase(GATED_SCAN),
    ring(GATED_SCAN),
    look_back(GATED_SCAN, fixed_order=False),
    look_back(GATED_SCAN, fixed_order=True),
    look_back_ring(GATED_SCAN),
    *CPU_VARIANTS,
    *PEER_VARIANTS,
)
