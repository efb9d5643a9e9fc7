"""A record as one flat row of a table, and back: the form of Parquet, of frames and of queries.

Nested fields become dotted columns (`time.median_s`, `shape.T`, `error.relative_l2`); what differs from record to
record (`settings`, `factors`, `build`, and the shape as a whole) is a JSON string; samples stay a list of numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from workbench.store.record import Bytes, ErrorMeasure, Launches, Record, Time

NESTED: dict[str, type[BaseModel]] = {
    "error": ErrorMeasure,
    "time": Time,
    "bytes": Bytes,
    "launches": Launches,
}
AS_JSON = ("settings", "factors", "build")


def record_to_row(record: Record) -> dict[str, Any]:
    """One flat dictionary: scalars under dotted names, lists and varying dictionaries as the module says."""
    data = record.model_dump(mode="json", by_alias=True, exclude={"counters"})
    row: dict[str, Any] = {}
    for name, value in data.items():
        if name in NESTED:
            for inner in _fields(name):
                row[f"{name}.{inner}"] = None if value is None else value[inner]
        elif name in AS_JSON:
            row[name] = json.dumps(value, sort_keys=True)
        elif name == "shape":
            row["shape"] = json.dumps(value)  # in the order of the axes, the same in every record of an operation
            for axis, size in value.items():
                row[f"shape.{axis}"] = size
        else:
            row[name] = value
    return row


def row_to_record(row: dict[str, Any]) -> Record:
    """The record that `record_to_row` flattened; columns that belong to no field are ignored."""
    data: dict[str, Any] = {}
    for name, info in Record.model_fields.items():
        public = info.alias or name
        if name in NESTED:
            inner = {field: _plain(row.get(f"{name}.{field}")) for field in _fields(name)}
            if any(value is not None for value in inner.values()):
                data[public] = inner
        elif name in AS_JSON or name == "shape":
            if row.get(name) is not None:
                data[public] = json.loads(row[name])
        elif public in row and row[public] is not None:
            value = row[public]
            data[public] = list(value) if name == "samples_s" else _plain(value)
    return Record.model_validate(data)


def _fields(name: str) -> tuple[str, ...]:
    return tuple(NESTED[name].model_fields)


def _plain(value: Any) -> Any:
    """NaN, which a table uses for what is missing, is None again."""
    return None if isinstance(value, float) and value != value else value


def write_parquet(records: Iterable[Record], path: Path) -> None:
    """All records as one table. Columns are the same in every run; axes that a run lacks are absent."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [record_to_row(record) for record in records]
    columns: dict[str, Any] = {}
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(Record.model_fields)
    for name in names:
        columns[name] = pa.array([row.get(name) for row in rows], type=_arrow_type(name))
    pq.write_table(pa.table(columns), path)


_INTEGERS = {
    "flops", "special", "time.count", "bytes.declared", "bytes.least", "launches.declared", "launches.counted",
}  # fmt: skip
_TEXT = {
    "key", "operation", "variant", "factors", "settings", "pass", "shape", "device", "backend", "status", "reason",
    "build", "error.where", "time.timer", "time.cache", "time.stopped_by", "floor_bound_by", "shape.dtype",
    "shape.regime",
}  # fmt: skip


def _arrow_type(name: str) -> Any:
    """The column's type, fixed by its name so that a column of nothing but nulls has the same type in every run."""
    import pyarrow as pa

    if name in _TEXT:
        return pa.string()
    if name == "samples_s":
        return pa.list_(pa.float64())
    if name in _INTEGERS or name.startswith("shape."):
        return pa.int64()
    return pa.float64()


def read_parquet(path: Path) -> list[Record]:
    import pyarrow.parquet as pq

    return [row_to_record(row) for row in pq.read_table(path).to_pylist()]
