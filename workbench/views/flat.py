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

from collections.abc import Iterable
from typing import TypeAlias

import duckdb
import pandas as pd
from pydantic import BaseModel

from workbench.model.figures import FIGURES, SPEEDUPS, with_figures
from workbench.store.record import Bounds, Disturbance, ErrorMeasure, Record, Run, Time, Work
from workbench.store.table import table_of

Cursor: TypeAlias = duckdb.DuckDBPyConnection

SAME = ("key", "operation", "variant", "sources", "pass", "machine", "backend", "status", "reason", "samples_s")
TEXTS = tuple(name for name in SAME if name != "samples_s")
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
SETTINGS = f"list_transform(map_entries(settings), lambda e: {ENTRY}" + (
    "coalesce(e.value.integer::VARCHAR, to_json(e.value.text)::VARCHAR))"
)
SHAPE = (
    f"list_transform(map_entries(axes), lambda e: {ENTRY}e.value::VARCHAR) "
    "|| ['\"dtype\": ' || to_json(dtype)::VARCHAR, '\"regime\": ' || to_json(regime)::VARCHAR]"
)
EXPRESSIONS: dict[str, str] = {
    **{name: f'"{name}"' for name in SAME},
    "factors": "to_json(factors)::VARCHAR",
    "settings": f"'{{' || array_to_string({SETTINGS}, ', ') || '}}'",
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


def flatten(cursor: Cursor, source: str) -> None:
    """Makes the view `records` of flat rows over `source`: SQL that gives nested ones, with a column `run`."""
    # A run that was written before a field came has no such column, or no such member: its own are missing then.
    cursor.register("no_record", table_of([]))
    every = "SELECT NULL::VARCHAR AS run, * FROM no_record"
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW nested AS {every} UNION ALL BY NAME {source}")
    axes = cursor.execute(
        "SELECT axis FROM (SELECT unnest(names) AS axis, generate_subscripts(names, 1) AS place "
        "FROM (SELECT DISTINCT map_keys(axes) AS names FROM nested)) GROUP BY axis ORDER BY min(place), axis"
    ).fetchall()
    wanted = {**EXPRESSIONS, **{f"shape.{axis}": f"axes[{_text(axis)}]" for (axis,) in axes}}
    listed = ", ".join(f"{sql} AS {_name(name)}" for name, sql in wanted.items())
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW records AS SELECT run, {listed} FROM nested")


def register(cursor: Cursor, records: Iterable[Record], run: str) -> None:
    """The same view over records in memory."""
    cursor.register("in_memory", table_of(records))
    flatten(cursor, f"SELECT {_text(run)} AS run, * FROM in_memory")


def frame_of(records: Iterable[Record], run: Run | None = None) -> pd.DataFrame:
    """Records as a frame with every column, those of `run` with the figures that its machines allow."""
    cursor = duckdb.connect()
    name = run.name if run is not None else ""
    register(cursor, records, name)
    rows: pd.DataFrame = cursor.execute("SELECT * FROM records").df()
    return with_columns(with_figures(rows, {name: run} if run is not None else {})).drop(columns="run")


def with_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every column that a record can have; those it lacked are all missing."""
    lacking = [name for name in columns() if name not in frame.columns]
    return frame.assign(**dict.fromkeys(lacking)) if lacking else frame


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
