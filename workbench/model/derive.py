"""Derived figures of a record: rates, floor and limit, and its shares of them."""

from __future__ import annotations

from workbench.declare import Cost
from workbench.model.floor import Limits, floor, resource_times
from workbench.store.record import Record

RATES = ("bandwidth", "flops", "matrix", "special")
"""Resources that are rates: what a ceiling is measured of. Latency and launches are delays."""


def derive(record: Record, cost: Cost, least: Cost, limits: Limits) -> Record:
    """The record with every derived figure that its time and `limits` allow.

    `cost` is what the variant declares, `least` what any algorithm of the operation must do. A record without
    a time (incorrect, emulated, unsupported…) keeps its floor and limit, which are bounds, and gets no rates.
    """
    figures: dict[str, object] = {}
    bound = floor(cost, limits)
    if bound is not None:
        figures |= {"floor_s": bound.seconds, "floor_bound_by": bound.bound_by}
    limit = floor(least, limits)
    if limit is not None:
        figures["limit_s"] = limit.seconds
    if record.time is not None:
        figures |= _rates(record.time.median_s, cost, limits)
        if bound is not None:
            figures["share_of_floor"] = bound.seconds / record.time.median_s
        if limit is not None:
            figures["share_of_limit"] = limit.seconds / record.time.median_s
    return record.model_copy(update=figures)


def _rates(median_s: float, cost: Cost, limits: Limits) -> dict[str, object]:
    figures: dict[str, object] = {}
    if cost.bytes:
        figures["bandwidth_bytes_per_s"] = cost.bytes / median_s
    if cost.flops or cost.matrix_flops:
        figures["flops_per_s"] = (cost.flops + cost.matrix_flops) / median_s
    busiest = max((t for name, t in resource_times(cost, limits).items() if name in RATES), default=None)
    if busiest is not None:
        figures["share_of_ceiling"] = busiest / median_s
    return figures
