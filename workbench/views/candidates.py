"""Which variants to try on a GPU that is not at hand: ranked by an estimate from what their machine code was counted
to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import pandas as pd

from workbench.catalog import Catalog
from workbench.declare import Cost, Operation, Settings, Shape, Step, Variant
from workbench.devices import Datasheet
from workbench.model.estimate import Estimate, Extent, estimate
from workbench.quantity import quantity
from workbench.steps import kind_of
from workbench.store.record import Simulated, Work
from workbench.views.rows import number_of
from workbench.views.shapes import sizes_text
from workbench.views.simulated import Pair, entries_of, pairs_of

APART = 1.25
"""Times that differ by less are a tie: usual latencies are no better known than that."""
TO_TRY = 3
LOOKED_AT = 20
"""Newest records of a variant that are searched for the nearest shape."""


@dataclass(frozen=True)
class Candidate:
    """One variant at the shape on the GPU. Everything is modelled."""

    rank: int
    """Those within APART of the shortest share rank 1."""
    variant: str
    seconds: float
    ratio: float
    """Over the shortest."""
    bound_by: str
    error: float | None
    """Worst relative L2 error of what was simulated."""
    kept_bytes: float
    """What a backward pass needs that the forward pass keeps, as the variant says; 0 of a forward pass."""
    settings: dict[str, Any]
    counted_at: str
    """The shape that its machine code was counted at."""
    run: str
    reason: str


@dataclass(frozen=True)
class Candidates:
    """What there is to choose from."""

    ranked: tuple[Candidate, ...]
    to_try: tuple[str, ...]
    """The first of the ranking, those of its tie that are of another kind, and then the next in order."""
    left_out: Mapping[str, str]
    """Variant → why it has no estimate."""


class _Found(NamedTuple):
    variant: Variant
    pair: Pair
    run: str
    error: float | None
    kept_bytes: float
    own: Estimate


def candidates(
    records: pd.DataFrame, catalog: Catalog, operation: Operation, shape: Shape, gpu: Datasheet, newest: Sequence[str]
) -> Candidates:
    """Of every CUDA variant of an operation (in its pass) that does `shape`: an estimate by the entry, of the GPU's
    architecture and the shape's dtype, that was counted nearest to `shape`; of equally near ones the newest run's."""
    found: list[_Found] = []
    left_out: dict[str, str] = {}
    counted, failed = _counted(records, operation, shape, gpu, newest)
    for variant in catalog.select([operation.name]):
        if variant.operation_key != operation.key or "cuda" not in variant.devices:
            continue
        reason = variant.supports(shape)
        pair, run, error = counted.get(variant.name, (None, "", None))
        if reason is None and pair is None and not _launches(variant, operation, shape.dtype):
            reason = "a library's code, which is not at hand to be counted"
        elif reason is None and pair is None:
            why = f": {failed[variant.name]}" if variant.name in failed else ""
            reason = f"its machine code was not counted for {gpu.arch}{why}"
        elif reason is None and pair is not None:
            estimated = _estimate(variant, operation, pair, shape, gpu)
            if estimated is not None:
                kept = variant.cost(shape, dict(pair.entry.settings)).kept_bytes
                found.append(_Found(variant, pair, run, error, kept, estimated))
                continue
            beside = ", ".join(pair.entry.beside)
            reason = (
                f"a library's part of it was not counted: {beside}" if beside else pair.entry.reason or "not counted"
            )
        left_out[variant.name] = str(reason)
    found.sort(key=lambda one: one.own.seconds)
    # Memory gives many variants one and the same time: of a tie the one is first that least hangs on what else it does
    # being hidden behind it.
    tied = sum(one.own.seconds <= APART * found[0].own.seconds for one in found)
    found[:tied] = sorted(found[:tied], key=lambda one: one.own.seconds + one.own.next_seconds)
    ranked = tuple(_candidate(number, found, gpu) for number in range(len(found)))
    kinds = [(own.bound_by, variant.factors.get(operation.growth_factor)) for variant, *_, own in found]
    return Candidates(ranked, _to_try(ranked, kinds), left_out)


def _counted(
    records: pd.DataFrame, operation: Operation, shape: Shape, gpu: Datasheet, newest: Sequence[str]
) -> tuple[dict[str, tuple[Pair, str, float | None]], dict[str, str]]:
    """Variant → what was counted of it nearest to the shape, the run and the record's error; variant → why a count has
    nothing."""
    place = {run: number for number, run in enumerate(newest)}
    best: dict[str, tuple[float, int, Pair, str, float | None]] = {}
    failed: dict[str, str] = {}
    own = records[records["simulated"].notna() & (records["simulated"] != "[]") & (records["pass"] == operation.pass_)]
    own = own[own["shape.dtype"] == shape.dtype]
    own = own.assign(_run=own["run"].map(place)).sort_values("_run", kind="stable").groupby("variant").head(LOOKED_AT)
    for variant, run, text, error in own[["variant", "run", "simulated", "error.relative_l2"]].itertuples(index=False):
        for pair in pairs_of(entries_of(text)):
            if pair.entry.arch == gpu.arch and not pair.entry.kernels and pair.entry.reason:
                failed.setdefault(variant, pair.entry.reason)
            if pair.entry.arch != gpu.arch or not pair.entry.kernels:
                continue
            key = (_distance(pair.entry.axes, shape), place.get(run, len(place)))
            if variant not in best or key < best[variant][:2]:
                best[variant] = (*key, pair, run, number_of(error))
    return {variant: own[2:] for variant, own in best.items()}, failed


def _distance(axes: Mapping[str, int], shape: Shape) -> float:
    return sum(abs(math.log(max(1, axes.get(name, 1)) / max(1, size))) for name, size in shape.axes)


def _estimate(variant: Variant, operation: Operation, pair: Pair, shape: Shape, gpu: Datasheet) -> Estimate | None:
    settings = dict(pair.entry.settings)
    there = Shape(tuple(pair.entry.axes.items()), shape.dtype)
    at, counted = (extent(variant, operation, one, settings) for one in (shape, there))
    return estimate(pair.entry, gpu, at, counted, pair.whole)


def extent(variant: Variant, operation: Operation, shape: Shape, settings: Settings) -> Extent:
    """What a variant's plan launches at a shape, and what is declared of it."""
    launches, blocks = _launched(variant.plan(shape, settings).steps)
    return Extent(launches, blocks, _work(variant.cost(shape, settings)), _work(operation.least(shape)))


def _launches(variant: Variant, operation: Operation, dtype: str) -> bool:
    """Whether a plan of it launches a kernel of its own, rather than a library's code alone."""
    if not variant.own_kernels:
        return False
    small = Shape(tuple((axis, operation.small[axis]) for axis in operation.axes), dtype)
    settings = variant.default_settings()
    return variant.supports(small) is not None or _launched(variant.plan(small, settings).steps)[0] > 0


def _launched(steps: Iterable[Step]) -> tuple[int, int]:
    """Launches of the plan's own kernels, and the blocks of all of them."""
    launches = blocks = 0
    for step in steps:
        kind = kind_of(step)
        if parts := kind.parts(step):
            own, turns = _launched(parts), kind.turns(step)
            launches, blocks = launches + turns * own[0], blocks + turns * own[1]
        elif (launch := kind.launch(step)) is not None:
            launches, blocks = launches + 1, blocks + math.prod(launch.grid)
    return launches, blocks


def _work(cost: Cost) -> Work:
    return Work(**{name: value for name, value in asdict(cost).items() if name in Work.model_fields})


def _candidate(number: int, found: Sequence[_Found], gpu: Datasheet) -> Candidate:
    variant, pair, run, error, kept, own = found[number]
    first = min(one.own.seconds for one in found)
    tied = own.seconds <= APART * first
    return Candidate(
        rank=1 if tied else number + 1,
        variant=variant.name,
        seconds=own.seconds,
        ratio=own.seconds / first,
        bound_by=own.bound_by,
        error=error,
        kept_bytes=kept,
        settings=dict(pair.entry.settings),
        counted_at=sizes_text(pair.entry.axes),
        run=run,
        reason=_reason(own, pair.entry, gpu),
    )


def _reason(own: Estimate, entry: Simulated, gpu: Datasheet) -> str:
    """What sets the time, with the figures that say so."""
    sms = f"{quantity(own.busy_sms, '%')} of {gpu.sms} SMs have a block of it"
    texts = {
        "bytes in flight": f"{quantity(own.in_flight, 'B')} in flight of the {quantity(own.needed, 'B')} that memory "
        f"needs to give its bandwidth; {sms}",
        "bandwidth": f"memory: {quantity(own.in_flight, 'B')} in flight are enough for its bandwidth"
        + (f"; next is {own.next_by}, {quantity(own.next_seconds / own.seconds, '%')} of it" if own.next_by else ""),
        "chain": f"each warp waits for one thing after the other, over {max(1, math.ceil(own.waves)):,} "
        f"round{'s' * (own.waves > 1)} of blocks; {sms}",
        "launches": "the gaps between its launches",
    }
    return texts.get(own.bound_by, f"{own.bound_by} on the busiest SM; {sms}") + ("; scaled" if own.scaled else "")


def _to_try(ranked: Sequence[Candidate], kinds: Sequence[tuple[str, str | None]]) -> tuple[str, ...]:
    """What hardware should tell apart: the first, of its tie the first of each other algorithm or binding resource, for
    of those the model may misjudge either, and then the next in order."""
    firsts = {kind: number for number, kind in reversed(list(enumerate(kinds)))}
    tied = [number for number in sorted(firsts.values()) if ranked[number].rank == 1]
    order = dict.fromkeys([*tied, *range(len(ranked))])
    return tuple(ranked[number].variant for number in list(order)[:TO_TRY])
