"""The ladders of the scan with its gates: first the traffic between gates and scan goes, then as in `scan`."""

from __future__ import annotations

from kernel_variants.gated_scan import gates_apart, in_torch
from kernel_variants.gated_scan.checkpoints import CHECKPOINTS
from kernel_variants.gated_scan.cpu import BACKWARD_CPU_VARIANTS, CPU_VARIANTS
from kernel_variants.gated_scan.peers import BACKWARD_PEERS, PEER_VARIANTS
from kernel_variants.scan.cells import GATED_SCAN, GATED_SCAN_BACKWARD
from kernel_variants.scan.variants import with_a_channel_per_thread

VARIANTS = (
    in_torch.EAGER,
    *gates_apart.RUNGS,
    *with_a_channel_per_thread(GATED_SCAN),
    *CPU_VARIANTS,
    *PEER_VARIANTS,
    *in_torch.BACKWARD_RUNGS,
    *gates_apart.BACKWARD_RUNGS,
    *with_a_channel_per_thread(GATED_SCAN_BACKWARD),
    *BACKWARD_CPU_VARIANTS,
    CHECKPOINTS,
    *BACKWARD_PEERS,
)
