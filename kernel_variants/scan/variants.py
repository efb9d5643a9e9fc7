"""The scan's ladder: every way to compute it, the simplest first."""

from __future__ import annotations

from kernel_variants.scan import cuda_rungs, torch_rungs
from kernel_variants.scan.cpu import CPU_VARIANTS
from kernel_variants.scan.streams import SCAN

VARIANTS = (
    *torch_rungs.RUNGS,
    cuda_rungs.blelloch(SCAN, padded=True),
    cuda_rungs.serial(SCAN),
    cuda_rungs.three_phase(SCAN),
    *CPU_VARIANTS,
)
