"""The first stage: everything that the selection needs is compiled, side by side; what does not compile is noted."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from workbench.compile import (
    Binary,
    CompileFailure,
    Unit,
    build_units,
    facts_of,
    first_errors,
    unit_of,
    units_of,
)
from workbench.compile.facts import NoSuchKernel
from workbench.declare import Shape, Variant
from workbench.limits import limits_for
from workbench.simulate.library import compiled, is_compiled
from workbench.steps import distinct_sources, kind_of
from workbench.store.record import BuildFact, Status
from workbench.sweep.progress import Progress


@dataclass
class Built:
    """What came of the sources of each variant."""

    binaries: dict[Unit, Binary | CompileFailure] = field(default_factory=dict)

    def failure(self, units: Iterable[Unit]) -> CompileFailure | None:
        """The first of these units that does not compile."""
        for unit in units:
            outcome = self.binaries.get(unit)
            if isinstance(outcome, CompileFailure):
                return outcome
        return None

    def verdict(self, variant: Variant, shape: Shape, archs: Iterable[str]) -> tuple[Status, str] | None:
        """Why a variant cannot be executed, before anything is: its sources do not compile for a GPU, or lack the
        function that is launched. None where all is well."""
        archs = tuple(archs)
        failed = self.failure(units_for(variant, shape, archs))
        if failed is not None:
            return Status.UNSUPPORTED if failed.lacking else Status.COMPILE_ERROR, first_errors(failed)
        try:
            self.facts(variant, shape, archs)
        except NoSuchKernel as problem:
            return Status.COMPILE_ERROR, str(problem)
        return None

    def facts(self, variant: Variant, shape: Shape, archs: Iterable[str]) -> list[BuildFact]:
        """Registers, shared memory, spills, occupancy and SASS mix of every kernel, for every architecture."""
        found = []
        possible = archs_for(variant, shape, archs)
        for step in distinct_sources(variant.plan(shape, variant.default_settings())):
            for arch in possible if kind_of(step).launch(step) is not None else ():
                unit = unit_of(step, shape.dtype, arch)
                binary = self.binaries.get(unit)
                if isinstance(binary, Binary):
                    found.append(facts_of(unit, binary, step))
        return found


def units_for(variant: Variant, shape: Shape, archs: Iterable[str]) -> list[Unit]:
    """Everything to compile for a variant at its default settings: kernels for each architecture, host functions."""
    targets = archs_for(variant, shape, archs)
    return units_of(variant.plan(shape, variant.default_settings()), shape.dtype, targets)


def archs_for(variant: Variant, shape: Shape, archs: Iterable[str]) -> list[str]:
    """Those of the architectures on which the variant can be done."""
    return [arch for arch in archs if variant.supports(shape, limits_for(arch)) is None]


def build_all(wanted: Iterable[Unit], progress: Progress, simulates: bool = False) -> Built:
    """Compiles the units, several at once, and beside them the simulator where it is needed; what is in the cache costs
    nothing."""
    units = list(dict.fromkeys(wanted))
    progress.stage("build", len(units))
    with ThreadPoolExecutor(1) as beside:
        simulator = None
        if simulates and not is_compiled():
            progress.note("compiling the simulator, once: about a minute")
            simulator = beside.submit(compiled)
        binaries = build_units(
            units,
            progress=lambda unit, outcome: progress.step(f"{unit.source.parent.name}/{unit.source.name} {unit.arch}"),
        )
        if simulator is not None:
            simulator.result()
    return Built(dict(binaries))
