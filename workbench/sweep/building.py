"""The first stage: everything that the selection needs is compiled, side by side; what does not compile is noted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from workbench.build import Binary, CompileFailure, Unit, build_units, facts_of, first_errors, unit_of
from workbench.build.facts import NoSuchKernel
from workbench.declare import Host, Kernel, Shape, Step, Variant
from workbench.limits import limits_for
from workbench.store.record import BuildFact, Status
from workbench.sweep.watch import Watch


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

    def verdict(
        self, variant: Variant, shape: Shape, archs: Iterable[str], emulated: bool
    ) -> tuple[Status, str] | None:
        """Why a variant cannot be executed, before anything is: its sources do not compile for a GPU, lack the function
        that is launched, or cannot be emulated. None where all is well."""
        archs = tuple(archs)
        failed = self.failure(units_for(variant, shape, archs, emulated=False))
        if failed is not None:
            return Status.COMPILE_ERROR, first_errors(failed)
        try:
            self.facts(variant, shape, archs)
        except NoSuchKernel as problem:
            return Status.COMPILE_ERROR, str(problem)
        failed = self.failure(units_for(variant, shape, (), emulated=True)) if emulated else None
        if failed is not None:
            why = "compiles for a GPU; cannot be executed without one, because emulation refuses it: " if archs else ""
            return Status.UNSUPPORTED, why + first_errors(failed)
        return None

    def facts(self, variant: Variant, shape: Shape, archs: Iterable[str]) -> list[BuildFact]:
        """Registers, shared memory, spills, occupancy and SASS mix of every kernel, for every architecture."""
        found = []
        for kernel in distinct_kernels(variant, shape):
            for arch in archs_for(variant, shape, archs):
                unit = unit_of(kernel, shape.dtype, arch)
                binary = self.binaries.get(unit)
                if isinstance(binary, Binary):
                    found.append(facts_of(unit, binary, kernel))
        return found


def compiled_steps(variant: Variant, shape: Shape) -> list[Kernel | Host]:
    """The plan's compiled steps with the default settings, each distinct one once. A plan of one launch a time step
    holds thousands of the same, so the smallest shape would do, but block sizes may follow the shape."""
    distinct: dict[tuple[object, ...], Kernel | Host] = {}
    steps: tuple[Step, ...] = variant.plan(shape, variant.default_settings()).steps
    for step in steps:
        if isinstance(step, Kernel):
            distinct.setdefault((step.source, step.function, step.defines, step.block, step.shared_bytes), step)
        elif isinstance(step, Host):
            distinct.setdefault((step.source, step.function, step.defines), step)
    return list(distinct.values())


def distinct_kernels(variant: Variant, shape: Shape) -> list[Kernel]:
    return [step for step in compiled_steps(variant, shape) if isinstance(step, Kernel)]


def units_for(variant: Variant, shape: Shape, archs: Iterable[str], emulated: bool) -> list[Unit]:
    """Everything to compile for a variant: kernels for each architecture (and for emulation), host functions."""
    units: list[Unit] = []
    targets = [*archs_for(variant, shape, archs), *(["emulated"] if emulated else [])]
    for step in compiled_steps(variant, shape):
        if isinstance(step, Kernel):
            units += [unit_of(step, shape.dtype, arch) for arch in targets]
        else:
            units.append(unit_of(step, shape.dtype, "host"))
    return list(dict.fromkeys(units))


def archs_for(variant: Variant, shape: Shape, archs: Iterable[str]) -> list[str]:
    """Those of the architectures on which the variant can be done."""
    return [arch for arch in archs if variant.supports(shape, limits_for(arch)) is None]


def build_all(wanted: Iterable[Unit], watch: Watch) -> Built:
    """Compiles the units, several at once; those in the cache cost nothing."""
    units = list(dict.fromkeys(wanted))
    watch.stage("build", len(units))
    binaries = build_units(
        units, progress=lambda unit, outcome: watch.step(f"{unit.source.parent.name}/{unit.source.name} {unit.arch}")
    )
    return Built(dict(binaries))
