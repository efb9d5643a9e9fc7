"""Records as flat rows: the one place that lays the nested table out as the columns that frames and pages read.

key, operation, variant, sources, pass, machine, backend, status, reason, samples_s     as in the record
factors, settings, shape, build, simulated                JSON texts; the shape with every axis, dtype and regime
shape.AXIS, shape.dtype, shape.regime                     sizes by axis, of all the axes that occur
hot.*                                                     of the hot time; its samples stay where they are
error.*, time.*, declared.*, least.*, bounds.*, disturbance.*      members by their names, lists as texts
bytes.declared, bytes.least, bytes.counted, flops, special, launches.declared, launches.counted
                                                          the figures most asked for; flops are of every kind
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import duckdb
import pandas as pd
from pydantic import BaseModel

from workbench.model.figures import FIGURES, SPEEDUPS, with_figures
from workbench.store.record import Bounds, Disturbance, ErrorMeasure, Record, Run, Time, Work
from workbench.store.table import table_of
from workbench.views.best import fastest_of

Cursor: TypeAlias = duckdb.DuckDBPyConnection
CONNECTION = duckdb.connect()
"""Each thread and each frame takes a cursor of it: another connection costs 20 ms."""
# What stands at the end of each file is read once, not by every query over it; a file that has changed is read again.
CONNECTION.execute("SET GLOBAL parquet_metadata_cache = true")

SAME = ("key", "operation", "variant", "sources", "pass", "machine", "backend", "status", "reason", "samples_s")
TEXTS = tuple(name for name in SAME if name != "samples_s")
REQUIRED = ("key", "operation", "variant", "machine", "backend", "status", "shape.dtype")
"""What no record is without (store/record.py)."""
STRUCTS: dict[str, type[BaseModel]] = {
    "error": ErrorMeasure,
    "time": Time,
    "declared": Work,
    "least": Work,
    "bounds": Bounds,
    "disturbance": Disturbance,
}
HOT = ("median_s", "low_s", "high_s", "minimum_s", "count", "working_set_bytes")
LISTS = ("disturbance.reasons", "disturbance.throttled")
ASKED_FOR = {
    "bytes.declared": "declared.bytes",
    "bytes.least": "least.bytes",
    "bytes.counted": "counted.bytes",
    "launches.declared": "declared.launches",
    "launches.counted": "counted.launches",
    "special": "declared.special",
    "flops": "CASE WHEN declared.flops IS NULL THEN declared.matrix_flops "
    "ELSE declared.flops + coalesce(declared.matrix_flops, 0) END",
}
ENTRY = "to_json(e.key)::VARCHAR || ': ' || "


def settings_json(column: str) -> str:
    """SQL with settings as JSON: their values are whole numbers or words."""
    each = f"lambda e: {ENTRY}coalesce(e.value.integer::VARCHAR, to_json(e.value.text)::VARCHAR)"
    return f"'{{' || array_to_string(list_transform(map_entries({column}), {each}), ', ') || '}}'"


SHAPE = (
    f"list_transform(map_entries(axes), lambda e: {ENTRY}e.value::VARCHAR) "
    "|| ['\"dtype\": ' || to_json(dtype)::VARCHAR, '\"regime\": ' || to_json(regime)::VARCHAR]"
)
EXPRESSIONS: dict[str, str] = {
    **{name: f'"{name}"' for name in SAME},
    "factors": "to_json(factors)::VARCHAR",
    "settings": settings_json("settings"),
    "shape": f"'{{' || array_to_string({SHAPE}, ', ') || '}}'",
    "shape.dtype": "dtype",
    "shape.regime": "regime",
    **{f"{outer}.{inner}": f'"{outer}"."{inner}"' for outer, model in STRUCTS.items() for inner in model.model_fields},
    **{name: "array_to_string({}.{}, '; ')".format(*name.split(".")) for name in LISTS},
    "disturbance.facts": "to_json(disturbance.facts)::VARCHAR",
    **{f"hot.{name}": f"hot.time.{name}" for name in HOT},
    **ASKED_FOR,
    "build": "to_json(build)::VARCHAR",
    "simulated": "to_json(simulated)::VARCHAR",
}
"""Flat column → what it is of the nested ones. Axes come from the data."""


def columns() -> tuple[str, ...]:
    """Every column of a frame of records but the axes, which differ between operations."""
    return (*EXPRESSIONS, *FIGURES, *SPEEDUPS)


def nested(cursor: Cursor, source: str) -> str:
    """SQL with every column that a record can have over `source`, SQL that gives records as the store lays them out
    with a column `run`."""
    # A run that was written before a field came has no such column, or no such member: its own are missing then.
    cursor.register("no_record", table_of([]))
    return f"(SELECT NULL::VARCHAR AS run, * FROM no_record UNION ALL BY NAME {source})"


def flat(records: str) -> str:
    """SQL with flat rows, without their axes, over nested records: a query that asks for a few columns reads those
    alone."""
    return f"(SELECT run, {_listed(EXPRESSIONS)} FROM {records})"


def select_flat(
    cursor: Cursor,
    records: str,
    where: str = "TRUE",
    parameters: Sequence[object] = (),
    wanted: Collection[str] = tuple(EXPRESSIONS),
    fastest: bool = False,
) -> pd.DataFrame:
    """Flat rows of those nested records that a condition on their columns admits: the wanted columns, and every axis
    that occurs. Files are opened once, and only the columns asked for are read: each costs its share per file.
    With `fastest` those alone that views/best.py may choose."""
    if fastest:
        where, parameters = f"{where} AND (run, key) IN ({fastest_of(records, where)})", [*parameters, *parameters]
    own = {name: sql for name, sql in EXPRESSIONS.items() if name in wanted}
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE chosen AS SELECT run, axes, {_listed(own)} FROM {records} WHERE {where}",
        list(parameters),
    )
    axes = cursor.execute(
        "SELECT axis FROM (SELECT unnest(names) AS axis, generate_subscripts(names, 1) AS place "
        "FROM (SELECT DISTINCT map_keys(axes) AS names FROM chosen)) GROUP BY axis ORDER BY min(place), axis"
    ).fetchall()
    sizes = "".join(f", axes[{_text(axis)}] AS {_name(f'shape.{axis}')}" for (axis,) in axes)
    _refuse_what_no_record_holds(cursor)
    return _frame(cursor.sql(f"SELECT * EXCLUDE (axes){sizes} FROM chosen").to_arrow_table())


def _listed(expressions: Mapping[str, str]) -> str:
    return ", ".join(f"{sql} AS {_name(name)}" for name, sql in expressions.items())


def _refuse_what_no_record_holds(cursor: Cursor) -> None:
    """ValueError where a file holds something else in place of a text, or nothing where every record has one."""
    described = cursor.execute("DESCRIBE chosen").fetchall()
    for name, kind, *_ in described:
        if name in TEXTS and kind != "VARCHAR":
            raise ValueError(f"column {name} is {kind}, not text")
    if required := [name for name, *_ in described if name in REQUIRED]:
        gaps = ", ".join(f"count(*) - count({_name(name)})" for name in required)
        counted = cursor.execute(f"SELECT {gaps} FROM chosen").fetchall()[0]
        for name, missing in zip(required, counted, strict=True):
            if missing:
                raise ValueError(f"column {name} is empty in {missing} records")


def _frame(table: Any) -> pd.DataFrame:
    """The Arrow table as a frame: by its own way in, several times as fast as value by value. Whole numbers with gaps
    stay whole numbers; a text column of nothing but gaps holds None."""
    import pyarrow as pa

    gaps = [field.name for field in table.schema if pa.types.is_integer(field.type) and table[field.name].null_count]
    rest = table.drop_columns(gaps) if gaps else table
    found: pd.DataFrame = rest.to_pandas()
    if gaps:
        whole = table.select(gaps).to_pandas(types_mapper=lambda kind: pd.Int64Dtype())
        found = pd.concat([found, whole], axis=1)[table.column_names]
    empty = [
        field.name
        for field in table.schema
        if pa.types.is_string(field.type) and table[field.name].null_count == len(table)
    ]
    return found.assign(**dict.fromkeys(empty)) if empty else found


def register(cursor: Cursor, records: Iterable[Record], run: str) -> str:
    """SQL over records in memory, for `nested`."""
    cursor.register("in_memory", table_of(records))
    return f"SELECT {_text(run)} AS run, * FROM in_memory"


def frame_of(records: Iterable[Record], run: Run | None = None) -> pd.DataFrame:
    """Records as a frame with every column, those of `run` with the figures that its machines allow."""
    name = run.name if run is not None else ""
    with CONNECTION.cursor() as cursor:
        rows = select_flat(cursor, nested(cursor, register(cursor, records, name)))
    return with_columns(with_figures(rows, {name: run} if run is not None else {})).drop(columns="run")


def with_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every column that a record can have; those it lacked are all missing."""
    lacking = [name for name in columns() if name not in frame.columns]
    return frame.assign(**dict.fromkeys(lacking)) if lacking else frame


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
