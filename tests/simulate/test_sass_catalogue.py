"""Every CUDA kernel of the catalogue, run from its cubins for sm_89 and sm_90, agrees with its float64 reference."""

from __future__ import annotations

import pytest

from tests.simulate.simulated_case import Case, bound, cases, run
from workbench.compile import Binary, build_units, unit_of
from workbench.declare import Kernel
from workbench.simulate.sass.coverage import coverage
from workbench.steps import leaves_of

ARCHS = ("sm_89", "sm_90")
AT_DEFAULTS = [case for case in cases() if not case.settings]


def compiled(case: Case, arch: str) -> list[Binary]:
    units = {unit_of(step, case.shape.dtype, arch) for step in leaves_of(case.plan().steps) if isinstance(step, Kernel)}
    built = list(build_units(units).values())
    assert all(isinstance(binary, Binary) for binary in built)
    return [binary for binary in built if isinstance(binary, Binary)]


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("case", AT_DEFAULTS, ids=str)
def test_every_instruction_is_known_and_the_result_is_right(case: Case, arch: str) -> None:
    for binary in compiled(case, arch):
        known = coverage(binary.path)
        assert not known.unknown, known.reasons
    errors, counts = run(case, arch=arch, machine_code=True)
    wrong = {name: error for name, error in errors.items() if not error <= bound(case)}
    assert not wrong, f"{case} {arch}: relative L2 error {wrong}, bound {bound(case)}"
    assert sum(step.total("executed") for step in counts if step is not None) > 0
