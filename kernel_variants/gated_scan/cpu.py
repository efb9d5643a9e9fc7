"""The CPU rungs of the scan with its gates inside: the source files beside this one."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.scan.cells import GATED_SCAN
from kernel_variants.scan.cpu import simd, streaming

HERE = Path(__file__).parent

CPU_VARIANTS = (simd(GATED_SCAN, HERE), streaming(GATED_SCAN, HERE, (4096, 0)))
