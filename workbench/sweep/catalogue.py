"""The slice of the catalogue that a run stores, so that it explains itself whatever becomes of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.compile.digest import digest
from workbench.compile.headers import SourceReader
from workbench.declare import Operation, Variant
from workbench.store.record import OperationFacts, Record, VariantFacts


def slice_of(pairs: Iterable[tuple[Operation, Variant]]) -> list[OperationFacts]:
    """What a run stores of these variants, each with its operation in the pass that it computes."""
    reader = SourceReader()
    operations: dict[str, Operation] = {}
    variants: dict[str, dict[str, VariantFacts]] = {}
    for operation, variant in pairs:
        operations[operation.key] = operation
        known = variants.setdefault(operation.key, {})
        if variant.name not in known:
            known[variant.name] = _variant(variant, digest(variant, operation, reader))
    return [_operation(operation, list(variants[key].values())) for key, operation in operations.items()]


def sources_in(catalogue: Iterable[OperationFacts], record: Record) -> str:
    """The digest that the slice has of a record's variant; empty where it has none."""
    found = (
        variant.sources
        for operation in catalogue
        for variant in operation.variants
        if (operation.name, operation.pass_, variant.name) == (record.operation, record.pass_, record.variant)
    )
    return next(found, "")


def _operation(operation: Operation, variants: list[VariantFacts]) -> OperationFacts:
    return OperationFacts(
        name=operation.name,
        pass_=operation.pass_,
        title=operation.title,
        equation=operation.equation,
        axes=dict(operation.axes),
        baseline=operation.baseline,
        variants=variants,
    )


def _variant(variant: Variant, sources: str) -> VariantFacts:
    return VariantFacts(
        name=variant.name,
        rung=variant.rung,
        idea=variant.idea,
        factors=dict(variant.factors),
        settings={name: list(values) for name, values in variant.settings.items()},
        sources=sources,
    )
