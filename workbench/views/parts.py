"""Where the time of a chain goes: the variants of other operations that it is made of, and what is left over.

A layer's plan holds the steps of the gate, the scan and the projection that it chains. A step is recognised by its
source, function, defines and tensors, whatever the operations are called: a variant of another operation is a part
of a chain when the chain's plan holds all its steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.catalog import Catalog
from workbench.compile.catalogue import survey_shape
from workbench.declare import Variant
from workbench.steps import kind_of, leaves_of
from workbench.views.best import best_settings
from workbench.views.query import kept
from workbench.views.rows import dicts_of
from workbench.views.shapes import shape_text, sizes_of

OWN = "own steps and gaps"
Signature = tuple[Any, ...]
SAME = ("run", "device", "pass", "shape.dtype")
"""What a chain and a part of it have in common, but for sizes."""
PLACE = ("operation", *SAME)


@dataclass(frozen=True)
class Part:
    """One part of a chain."""

    operation: str
    variants: tuple[str, ...]
    """The variants of that operation with exactly these steps; several where they differ in settings alone."""
    steps: frozenset[Signature] = frozenset()


@dataclass(frozen=True)
class _Planned:
    """A variant with its plan's steps as a set, and whether they are replayed from a graph."""

    variant: Variant
    steps: frozenset[Signature] = frozenset()
    graph: bool = False

    def is_part_of(self, chain: _Planned) -> bool:
        if not self.steps or self.graph != chain.graph or self.variant.pass_ != chain.variant.pass_:
            return False
        return self.variant.operation != chain.variant.operation and self.steps <= chain.steps


def parts_of(catalog: Catalog, variant: Variant, dtype: str) -> tuple[Part, ...]:
    """The parts of a chain in the pipeline's order; empty for a variant that is made of nothing else."""
    plans = _plans(catalog, dtype)
    chain = plans[variant.key]
    candidates = [(other.steps, other.variant) for other in plans.values() if other.is_part_of(chain)]
    chosen: dict[frozenset[Signature], list[Variant]] = {}
    taken: set[Signature] = set()
    for own, other in sorted(candidates, key=lambda pair: -len(pair[0])):
        if own in chosen and chosen[own][0].operation == other.operation:
            chosen[own].append(other)
        elif not own & taken:
            chosen[own] = [other]
            taken |= own
    order = list(catalog.operations)
    found = [Part(vs[0].operation, tuple(v.name for v in vs), own) for own, vs in chosen.items()]
    return tuple(sorted(found, key=lambda part: order.index(part.operation)))


def own_steps(catalog: Catalog, variant: Variant, dtype: str) -> tuple[str, ...]:
    """The functions of a chain's steps that are no part's, such as a product that feeds gates inside a scan."""
    whole = _plans(catalog, dtype)[variant.key].steps
    left = whole.difference(*(part.steps for part in parts_of(catalog, variant, dtype)))
    return tuple(sorted(step[0].__name__ if callable(step[0]) else str(step[1]) for step in left))


def chains(catalog: Catalog) -> tuple[str, ...]:
    """The operations of which some variant is made of others' variants."""
    return kept(("chains", catalog.roots), lambda: _chains(catalog))


def _chains(catalog: Catalog) -> tuple[str, ...]:
    """Looks at each dtype's plans once and stops at an operation's first chain: asking `parts_of` takes seconds."""
    made: set[str] = set()
    for dtype in {dtype: None for operation in catalog.each_operation() for dtype in operation.dtypes}:
        plans = _plans(catalog, dtype).values()
        for plan in plans:
            name = plan.variant.operation
            offered = name not in made and dtype in catalog.operation_of(plan.variant).dtypes
            if offered and any(other.is_part_of(plan) for other in plans):
                made.add(name)
    return tuple(name for name in catalog.operations if name in made)


def _plans(catalog: Catalog, dtype: str) -> Mapping[str, _Planned]:
    """By variant: kept as one, since entry by entry they would push all that pages have read out of what is kept."""
    return kept(("plans", catalog.roots, dtype), lambda: {v.key: _plan(catalog, v, dtype) for v in catalog})


def _plan(catalog: Catalog, variant: Variant, dtype: str) -> _Planned:
    shape = survey_shape(catalog.operation_of(variant), variant, dtype)
    if variant.supports(shape) is not None:
        return _Planned(variant)
    plan = variant.plan(shape, variant.default_settings())
    signatures = (kind_of(step).signature(step) for step in leaves_of(plan.steps))
    return _Planned(variant, frozenset(s for s in signatures if isinstance(s, tuple)), plan.graph)


def shares(records: pd.DataFrame, chains: pd.DataFrame, catalog: Catalog) -> pd.DataFrame:
    """Timed `chains` (records of chains) split into parts that `records` of the same run, device and sizes
    timed alone, and what is left.

    Columns: run, device, operation, variant, shape, part, part_variant, seconds, share.
    Derived: a part was timed alone, with memory to itself; what is left is negative where the parts gain by standing
    together. A chain none of whose parts was timed alone has no rows.
    """
    timed = best_settings(records[records["time.median_s"].notna()])
    sizes = [name for name in map(str, timed) if name.startswith("shape.") and name not in PLACE]
    timed = timed[["variant", "time.median_s", *PLACE, *sizes]]  # of two hundred columns
    by_place = dict(iter(timed.groupby([*PLACE], dropna=False)))
    rows: list[dict[str, Any]] = []
    for chain in dicts_of(chains[chains["time.median_s"].notna()], "variant", "shape", "time.median_s", *PLACE):
        variant = _variant(catalog, chain)
        if variant is None:
            continue
        total, left = chain["time.median_s"], chain["time.median_s"]
        found = []
        for part in parts_of(catalog, variant, chain["shape.dtype"]):
            place = (part.operation, *(chain[name] for name in SAME))
            alone = _alone(by_place[place], chain, part) if place in by_place else None
            if alone is not None:
                found.append((part.operation, alone["variant"], alone["time.median_s"]))
                left -= alone["time.median_s"]
        if found:
            whose = {name: chain[name] for name in ("run", "device", "operation", "variant", "shape")}
            rows += [
                {**whose, "part": part, "part_variant": name, "seconds": seconds, "share": seconds / total}
                for part, name, seconds in (*found, (OWN, own_text(catalog, variant, chain["shape.dtype"]), left))
            ]
    columns = ["run", "device", "operation", "variant", "shape", "part", "part_variant", "seconds", "share"]
    return pd.DataFrame(rows, columns=columns)


def own_text(catalog: Catalog, variant: Variant, dtype: str) -> str:
    return ", ".join(own_steps(catalog, variant, dtype))


def shares_along(records: pd.DataFrame, curve: pd.DataFrame, catalog: Catalog) -> pd.DataFrame:
    """`shares` of a chain at every size of a curve (rows of `scaling.curves`), with a column `size`."""
    found = shares(records, curve, catalog)
    place = ["run", "device", "variant", "shape"]
    return found.merge(curve[[*place, "size"]], on=place).sort_values("size", kind="stable")


def chain_shares(records: pd.DataFrame, catalog: Catalog) -> pd.DataFrame:
    """`shares` of every chain among the records, with a column `chain`: its operation and shape as text, in the
    pipeline's order, the smaller shapes first."""
    whole = best_settings(records[records["operation"].isin(chains(catalog))]) if len(records) else records
    found = shares(records, whole, catalog)
    order = {name: place for place, name in enumerate(catalog.operations)}
    found = found.assign(
        chain=[f"{o}, {shape_text(s)}" for o, s in zip(found["operation"], found["shape"], strict=True)],
        _order=found["operation"].map(order),
        _size=[math.prod(sizes_of(shape).values()) for shape in found["shape"]],
    )
    return found.sort_values(["_order", "_size"], kind="stable").drop(columns=["_order", "_size"])


def _variant(catalog: Catalog, row: dict[str, Any]) -> Variant | None:
    ladder = catalog.variants.get(row["operation"], [])
    return next((v for v in ladder if (v.name, v.pass_) == (row["variant"], row["pass"])), None)


def _alone(timed: pd.DataFrame, chain: dict[str, Any], part: Part) -> dict[str, Any] | None:
    """Variant and time of the fastest of these records of a part's operation at the chain's sizes; None where there is
    none."""
    same = timed[timed["variant"].isin(part.variants)]
    for axis, size in sizes_of(chain["shape"]).items():
        if (name := f"shape.{axis}") in same:
            same = same[same[name].isna() | (same[name] == size)]
    if same.empty:
        return None
    return dicts_of(same.sort_values("time.median_s").head(1))[0]
