"""The CPU rungs of the scan with its gates inside: the source files beside this one."""

from __future__ import annotations

from pathlib import Path

from kernel_variants.scan.cells import GATED_SCAN, GATED_SCAN_BACKWARD
from kernel_variants.scan.cpu import simd, streaming, walked_back

HERE = Path(__file__).parent

CPU_VARIANTS = (simd(GATED_SCAN, HERE), streaming(GATED_SCAN, HERE, (4096, 0)))

_WALK = ("kv", "h", "h0", None, None, "gh", "gh_last", "dkv", "dh0", None)
FLOPS_OF_GATES_BACKWARD = 50
"""Two exponentials (15 each), and what include/gated_walk.hpp makes of them and of h and gh: additions, products and
one division, a multiply-add being two."""
BACKWARD_CPU_VARIANTS = tuple(
    walked_back(GATED_SCAN_BACKWARD, HERE, _WALK, FLOPS_OF_GATES_BACKWARD, past_caches=past_caches)
    for past_caches in (False, True)
)
