"""Speed-ups over the baseline of an operation, for records about to be stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.declare import variant_key
from workbench.model.rungs import Rung
from workbench.store.record import Record


def add_speedups(records: Iterable[Record], known: Mapping[str, Rung]) -> list[Record]:
    """The records with `speedup_over_baseline` filled in: against the baseline's fastest setting at the same shape,
    on the same device and backend, by the same timer. Unchanged where there is none."""
    records = list(records)

    def place(record: Record) -> tuple[Any, ...]:
        time = record.time
        shape = tuple(sorted((name, str(size)) for name, size in record.shape.items()))
        timer = (time.timer, time.cache) if time else None
        return (record.operation, record.pass_, shape, record.device, record.backend, timer)

    fastest: dict[tuple[Any, ...], float] = {}
    for record in records:
        rung = known.get(variant_key(record.operation, record.variant, record.pass_))
        if rung is not None and rung.baseline and record.time is not None:
            fastest[place(record)] = min(fastest.get(place(record), float("inf")), record.time.median_s)
    return [
        record.model_copy(update={"speedup_over_baseline": fastest[place(record)] / record.time.median_s})
        if record.time is not None and place(record) in fastest
        else record
        for record in records
    ]
