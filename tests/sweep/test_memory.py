"""How many variants are held and checked at once follows from the memory that is free."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from tests.kernels.executed import catalog
from workbench.declare import Shape
from workbench.sweep.memory import CHECKED_AT_ONCE, bytes_of_variant, checks_at_once, group_size

CATALOG = catalog()
SCAN = CATALOG.operation("scan")
SHAPE = Shape.of("float32", B=8, T=65536, H=1536)
RUNGS = [CATALOG.variant("scan/serial"), CATALOG.variant("scan/ring")]
ONE = max(bytes_of_variant(v, SCAN, SHAPE, 1) for v in RUNGS)


def test_one_set_is_what_must_lie_in_memory() -> None:
    values = 8 * 65536 * 1536
    assert pytest.approx(3 * 4 * values, rel=0.01) == ONE  # a, b and h, 4 bytes each


@pytest.mark.parametrize(("free", "checks"), [(ONE, 1), (15 * ONE, 1), (20.1 * ONE, 2), (1000 * ONE, CHECKED_AT_ONCE)])
def test_checks_take_half_of_what_the_group_leaves(free: float, checks: int) -> None:
    assert checks_at_once(RUNGS, SCAN, SHAPE, int(free)) == checks
    group = group_size(RUNGS, SCAN, SHAPE, 1, int(free))
    assert group * ONE + checks * ONE <= free or free < 10 * ONE


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc has mallopt")
def test_a_process_that_makes_references_is_given_the_same_pages_again() -> None:
    code = """
import resource, numpy as np
from workbench.measure.variant_timer import keep_freed_memory
if {keeps}: keep_freed_memory()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(1 << 20)
before = faults()
for _ in range(10): np.ones(1 << 20)
print(faults() - before)
"""
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", code.format(keeps=keeps)])) for keeps in (True, False)
    )
    assert kept <= 10 < given_back
