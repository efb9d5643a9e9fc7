"""Everything a catalogue compiles to: each kernel of each variant, for every dtype and architecture asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.catalog import Catalog
from workbench.compile.compile_units import Progress, build_units
from workbench.compile.facts import NoSuchKernel, facts_of
from workbench.compile.units import Binary, CompileFailure, Unit, unit_of
from workbench.declare import Operation, Shape, Variant
from workbench.declared import DeclarationError
from workbench.limits import limits_for
from workbench.problem import unknown
from workbench.stdout import kept_clean
from workbench.steps import CompiledStep, distinct_sources, kind_of
from workbench.store.record import BuildFact

MANY_LAUNCHES = 64


@dataclass(frozen=True)
class BuildRow:
    """One kernel of one variant, compiled for one dtype and architecture: its facts, or why there are none."""

    variant: str
    """operation/name."""
    rung: int
    dtype: str
    step: CompiledStep | None
    unit: Unit | None
    binary: Binary | None = None
    fact: BuildFact | None = None
    status: str = "ok"
    """`ok`, `compile_error`, `unsupported` (the shape or dtype cannot be done) or `no_kernel` (library calls only)."""
    reason: str | None = None
    log: Path | None = None
    """A file with all that the compiler said of what does not compile."""

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {
            "variant": self.variant,
            "dtype": self.dtype,
            "arch": self.unit.arch if self.unit else None,
            "kernel": self.step.function if self.step else None,
            "source": str(self.unit.source) if self.unit else None,
            "defines": dict(self.step.defines) if self.step else {},
            "status": self.status,
            "reason": self.reason,
            "log": str(self.log) if self.log else None,
            "fact": self.fact.model_dump(mode="json") if self.fact else None,
        }


def survey_shape(operation: Operation, variant: Variant, dtype: str) -> Shape:
    """The shape at which a variant's kernels are listed: the operation's default sizes.

    A variant that launches once a step would list thousands of equal launches; the axis that they grow with is taken
    at the operation's small size, the others (which block and shared sizes follow) stay at their defaults.
    """
    settings = variant.default_settings()
    shape = Shape.of(dtype, **operation.axes)
    if variant.supports(shape) is not None:
        return shape
    launches = variant.cost(shape, settings).launches
    for axis in operation.axes:
        if launches <= MANY_LAUNCHES:
            break
        smaller = Shape.of(dtype, **{**shape.as_dict(), axis: operation.small[axis]})
        if variant.supports(smaller) is None and variant.cost(smaller, settings).launches * 2 <= launches:
            shape, launches = smaller, variant.cost(smaller, settings).launches
    return shape


def steps_of(operation: Operation, variant: Variant, dtype: str) -> list[Any]:
    """The different kernels and host functions of a variant at its survey shape and default settings, in order.

    Launches that differ in grid or arguments alone are one; those of another block or shared size are another.
    """
    return distinct_sources(variant.plan(survey_shape(operation, variant, dtype), variant.default_settings()))


def build_catalogue(
    catalog: Catalog,
    variants: Iterable[Variant],
    archs: Iterable[str],
    dtypes: Iterable[str],
    jobs: int | None = None,
    progress: Progress | None = None,
    starting: Callable[[int], None] | None = None,
) -> list[BuildRow]:
    """Compiles every kernel of the variants, side by side: a row a kernel, dtype and architecture, in ladder order.

    Host functions (C++ sources) have one row a dtype, of architecture `host`. `starting` is told how many units there
    are, `progress` each that is finished. What does not compile is a row with the compiler's message; the others go
    on. Raises Problem for a dtype that no operation has, or when a compiler or nvdisasm is missing.
    """
    archs, chosen = list(archs), list(variants)
    rows: list[BuildRow] = []
    for dtype in dtypes:
        if not any(dtype in catalog.operation_of(v).dtypes for v in chosen):
            raise unknown("dtype", dtype, {d for o in catalog.operations.values() for d in o.dtypes})
    for variant in chosen:
        operation = catalog.operation_of(variant)
        for dtype in dtypes:
            if dtype not in operation.dtypes:
                continue
            try:
                with kept_clean():
                    rows += _rows(operation, variant, dtype, archs)
            except DeclarationError as error:
                why = str(error)
                rows.append(BuildRow(variant.key, variant.rung, dtype, None, None, status="compile_error", reason=why))
    units = list(dict.fromkeys(row.unit for row in rows if row.unit is not None))
    if starting is not None:
        starting(len(units))
    built = build_units(units, jobs, progress)
    return [_with_result(row, built) for row in rows]


def _rows(operation: Operation, variant: Variant, dtype: str, archs: list[str]) -> list[BuildRow]:
    shape = survey_shape(operation, variant, dtype)
    refused = {arch: reason for arch in archs if (reason := variant.supports(shape, limits_for(arch))) is not None}
    reason = variant.supports(shape) or (next(iter(refused.values())) if archs and len(refused) == len(archs) else None)
    if reason is not None:
        return [BuildRow(variant.key, variant.rung, dtype, None, None, status="unsupported", reason=reason)]
    archs = [arch for arch in archs if arch not in refused]
    steps = steps_of(operation, variant, dtype)
    if not steps:
        why = "library calls only: nothing of its own is compiled"
        return [BuildRow(variant.key, variant.rung, dtype, None, None, status="no_kernel", reason=why)]
    return [
        BuildRow(variant.key, variant.rung, dtype, step, unit)
        for step in steps
        for unit in dict.fromkeys(unit_of(step, dtype, arch) for arch in archs)
    ]


def _with_result(row: BuildRow, built: dict[Unit, Binary | CompileFailure]) -> BuildRow:
    if row.unit is None or row.step is None:
        return row
    result = built[row.unit]
    if isinstance(result, CompileFailure):
        status = "unsupported" if result.lacking else "compile_error"
        return replace(row, status=status, reason=result.message, log=result.log)
    fact = None
    if kind_of(row.step).launch(row.step) is not None:
        try:
            fact = facts_of(row.unit, result, row.step)
        except NoSuchKernel as problem:
            return replace(row, binary=result, status="compile_error", reason=str(problem))
    return replace(row, binary=result, fact=fact)
