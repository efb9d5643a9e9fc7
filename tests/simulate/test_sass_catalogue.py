"""Every CUDA kernel of the catalogue, run from its cubins for sm_89 and sm_90, agrees with its float64 reference."""

from __future__ import annotations

import functools

import pytest

from tests.campaign.mutate import FUZZ
from tests.kernels.covering import sliced
from tests.kernels.executed import catalog
from tests.simulate.simulated_case import Case, bound, cases, run
from workbench.catalog import BUILTIN
from workbench.check.simulated import Request, SimulatedVariant
from workbench.compile import Binary, build_units, unit_of
from workbench.declare import Kernel, Shape
from workbench.devices import for_arch
from workbench.simulate.launch import Options
from workbench.simulate.sass.coverage import coverage
from workbench.steps import leaves_of

pytestmark = pytest.mark.sliced

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


@functools.cache
def every() -> list[tuple[str, str, str]]:
    """(variant, dtype, architecture) of every kernel of the catalogue, in every pass, but those of peers."""
    found = []
    for variant in catalog():
        operation = catalog().operation_of(variant)
        for dtype in operation.dtypes:
            shape = Shape.of(dtype, **operation.small)
            if variant.factors.get("peer") == "yes" or variant.supports(shape) is not None:
                continue
            plan = variant.plan(shape, variant.default_settings())
            if any(isinstance(step, Kernel) for step in leaves_of(plan.steps)):
                found += [(variant.key, dtype, arch) for arch in ARCHS]
    return found


def chosen() -> list[tuple[str, str, str]]:
    """One dtype and architecture of each variant that the test above leaves out, another for another; all of all where
    WORKBENCH_FUZZ asks for it."""
    of_variant: dict[str, list[tuple[str, str, str]]] = {}
    above = set() if FUZZ > 1 else {case.variant for case in AT_DEFAULTS}
    for one in every():
        if one[0] in above:
            continue
        of_variant.setdefault(one[0], []).append(one)
    return [one for key, ways in of_variant.items() for one in sliced(ways, key, of=6)]


@pytest.mark.parametrize(("key", "dtype", "arch"), chosen())
def test_both_front_ends_agree_with_the_reference_and_each_other(
    key: str, dtype: str, arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference of 64 bits by LEA of a negated source came in a backward kernel alone, and went unseen."""
    variant = catalog().variant(key)
    operation = catalog().operation_of(variant)
    monkeypatch.setattr("workbench.check.limited.limit_memory", lambda more: None)
    simulated = SimulatedVariant(BUILTIN, key, 0)
    shape = Shape.of(dtype, **operation.small)
    found = simulated.run(Request(shape, variant.default_settings(), arch, for_arch(arch)[0].name))
    assert [run["through"] for run in found["runs"]] == ["sass", "ptx"]
    reasons = [] if variant.known_loss else [run["reason"] for run in found["runs"] if run["reason"]]
    assert not reasons and not found["findings"]


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("key", ["scan/look_back_plain", "scan/ring", "gated_scan/look_back_free"])
def test_machine_code_whose_stores_are_late_is_right(key: str, arch: str) -> None:
    """ptxas leaves warp barriers out; its fences are the whole warp's. And of lanes that have parted it lets each part
    keep its own in uniform registers (gated look-back): another warp may come between two accesses, they may not."""
    case = Case(key, Shape.of("float32", **catalog().operation(key.split("/")[0]).small))
    for seed, quantum in ((0, 4000), (1, 4000), (2, 60)):
        errors, _ = run(case, Options(delays=True, seed=seed, quantum=quantum), arch=arch, machine_code=True)
        assert max(errors.values()) <= bound(case)
