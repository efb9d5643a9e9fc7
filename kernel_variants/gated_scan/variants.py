"""The ladder of the scan with its gates: how much of the traffic between gates and scan is left."""

from __future__ import annotations

from kernel_variants.gated_scan.cpu import CPU_VARIANTS
from kernel_variants.gated_scan.torch_rungs import EAGER
from kernel_variants.scan import cuda_rungs
from kernel_variants.scan.streams import GATED_SCAN

VARIANTS = (
    EAGER,
    cuda_rungs.serial(GATED_SCAN, "serial_gated"),
    *CPU_VARIANTS,
)
