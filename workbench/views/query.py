"""Records, counters and rules of selected runs as frames, read by DuckDB and kept until the files change.

Only the files of the runs asked for are opened, and only the columns: samples are left out unless wanted. A run
that is not finished is read from its records.jsonl. Frames are shared between callers (pandas copies on write).
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from workbench.foreign import reading
from workbench.model.figures import FIGURES, SPEEDUPS, with_figures
from workbench.problem import Problem
from workbench.store.record import DISTURBED_SHARE
from workbench.store.run_folder import RESTORE, open_run
from workbench.views.filter import Choices, Filter
from workbench.views.flat import (
    CONNECTION,
    EXPRESSIONS,
    Cursor,
    columns,
    flat,
    nested,
    register,
    select_flat,
    settings_json,
)
from workbench.views.runs import RunSummary
from workbench.views.shapes import merged, sizes_of

T = TypeVar("T")

DERIVED = (*FIGURES, *SPEEDUPS)
NEEDED = (
    "key",
    "operation",
    "variant",
    "pass",
    "machine",
    "backend",
    "status",
    "shape",
    "shape.dtype",
    "time.median_s",
)
"""What every reader of records goes by."""
TRIED = ("run", "operation", "variant", "pass", "backend", "shape", "settings", "seconds", "over_best", "is_chosen")
KEPT_FRAMES = 500
"""Results kept in memory; the oldest used one goes first."""

_cache: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Result:
    """A frame and what could not be read for it, a sentence each."""

    frame: pd.DataFrame
    problems: tuple[str, ...] = ()


def read_records(
    runs: Sequence[RunSummary],
    selection: Filter,
    samples: bool = False,
    machine_code: bool = True,
    only: Collection[str] = (),
    fastest: bool = False,
) -> Result:
    """The records of `runs` that `selection` admits, a row each, with a column `run`.

    Columns are those of flat.py and the derived figures, all of them, whatever the files hold; axes as they occur.
    What was compiled and simulated is half of the time over many runs: without `machine_code` it is left missing. Where
    `only` names columns of flat.py all others are, and what is derived from those: over many runs each column costs.
    With `fastest`, of each variant at each problem in each run its fastest correct setting alone (views/best.py).
    """
    readable = tuple(run for run in runs if run.state != "corrupt")
    left_out = {*([] if samples else ["samples_s"]), *([] if machine_code else ["build", "simulated"])}
    wanted = tuple(name for name in EXPRESSIONS if name not in left_out and (not only or name in {*only, *NEEDED}))
    key = ("records", tuple((run.path, run.stamp) for run in readable), selection, wanted, fastest)
    return kept(key, lambda: _read_records(readable, selection, wanted, fastest))


def choices(runs: Sequence[RunSummary]) -> Choices:
    """What occurs in the records of `runs`: the values that a filter can offer."""
    readable = tuple(run for run in runs if run.state != "corrupt")
    key = ("choices", tuple((run.path, run.stamp) for run in readable))
    return kept(key, lambda: _choices(readable))


def counts(runs: Sequence[RunSummary]) -> dict[str, tuple[int, int, int, int]]:
    """Run → its records, those with a time, of these those that say what disturbed them, and of these those that were
    disturbed too much. A run that cannot be read has no entry."""
    readable = tuple(run for run in runs if run.state != "corrupt")
    key = ("counts", tuple((run.path, run.stamp) for run in readable))
    return kept(key, lambda: {row[0]: row[1:] for rows in over_each(readable, _counted)[0] for row in rows})


def read_beside(
    runs: Sequence[RunSummary], file: str, keys: Sequence[str], metrics: Collection[str] | None = None
) -> pd.DataFrame:
    """The table that a profiler left in `file` (`counters.parquet`, `rules.parquet`) of each run, with a column
    `run`: the rows of the records in `keys`, and of the named `metrics`, where given. Empty where no run has one."""
    readable = [run for run in runs if run.state != "corrupt" and not run.beside_problem]
    paths = tuple(run.path / file for run in readable if (run.path / file).is_file())
    wanted = {"key": tuple(sorted(set(keys)))}
    if metrics is not None:
        wanted["metric"] = tuple(sorted(metrics))
    stamps = tuple((path, path.stat().st_mtime_ns) for path in paths)
    return kept(("beside", stamps, tuple(wanted.items())), lambda: _read_beside(paths, wanted))


def executed_of(runs: Sequence[RunSummary], operation: str, variant: str, dtype: str) -> pd.DataFrame:
    """See views/simulated.py: `executed`."""
    readable = tuple(run for run in runs if run.state != "corrupt")
    key = ("executed", tuple((run.path, run.stamp) for run in readable), operation, variant, dtype)
    return kept(key, lambda: _executed(readable, (operation, variant, dtype)))


def tried_of(runs: Sequence[RunSummary], selection: Filter) -> Result:
    """All settings of tunables that sweeps tried: run, operation, variant, pass, backend, shape, settings, seconds
    (missing where the answer was wrong), over_best (to the quickest of the variant there), is_chosen; the quickest of a
    variant first. Empty where nothing was to be chosen."""
    readable = tuple(run for run in runs if run.state != "corrupt")
    key = ("tried", tuple((run.path, run.stamp) for run in readable), selection)
    return kept(key, lambda: _tried(readable, selection))


# -------------------------------------------------------------------------------------------------------- reading


def _executed(runs: tuple[RunSummary, ...], wanted: tuple[str, str, str]) -> pd.DataFrame:
    query = (
        "SELECT sources, executed FROM {} WHERE len(executed) > 0 "
        "AND operation = ? AND variant = ? AND dtype = ? AND \"pass\" = 'forward'"
    )
    for run in runs:
        answers, _ = over_each(
            (run,), lambda cursor, records: cursor.execute(query.format(records), list(wanted)).fetchall()
        )
        if answers and answers[0]:
            first = {kernels[0]["arch"]: (sources, kernels) for sources, kernels in reversed(answers[0])}
            code = [_code(kernel).assign(sources=s) for s, kernels in reversed(first.values()) for kernel in kernels]
            return pd.concat(code, ignore_index=True).assign(run=run.name)
    return pd.DataFrame()


def _tried(runs: tuple[RunSummary, ...], selection: Filter) -> Result:
    where, parameters = selection.where()
    names = 'run, operation, variant, "pass", backend'
    inner = f"{names}, {EXPRESSIONS['shape']} AS shape, {EXPRESSIONS['settings']} AS chosen, unnest(tried) AS one"
    outer = f"{names}, shape, {settings_json('one.settings')} AS settings, one.seconds AS seconds, chosen"

    def query(cursor: Cursor, records: str) -> pd.DataFrame:
        sql = f"SELECT {outer} FROM (SELECT {inner} FROM {records} WHERE {where})"
        found: pd.DataFrame = cursor.execute(sql, parameters).df()
        return found

    found, problems = over_each(runs, query)
    filled = [rows for rows in found if len(rows)]
    if not filled:
        return Result(pd.DataFrame(columns=list(TRIED)), problems)
    rows = pd.concat(filled, ignore_index=True)
    same = ["run", "operation", "variant", "pass", "backend", "shape"]
    rows = rows.assign(
        over_best=rows["seconds"] / rows.groupby(same)["seconds"].transform("min"),
        is_chosen=rows["settings"] == rows["chosen"],
    )
    return Result(rows.sort_values([*same, "seconds"], kind="stable", ignore_index=True)[list(TRIED)], problems)


def _code(kernel: dict[str, Any]) -> pd.DataFrame:
    """A kernel's instructions, a row each."""
    lists = {name: values for name, values in kernel.items() if isinstance(values, list)}
    files, lines = lists.pop("files"), lists.pop("address", [])
    found = pd.DataFrame(lists)
    return found.assign(
        arch=kernel["arch"],
        kernel=kernel["kernel"],
        level=kernel.get("level") or "sass",  # of an older run, all of it
        address=[f"{line:04d}" for line in lines] or [f"{16 * place:04x}" for place in range(len(found))],
        file=[files[place] if place >= 0 else "" for place in kernel["file"]],
        excess=found["sectors"] - found["sectors_ideal"],
        conflicts=found["wavefronts"] - found["wavefronts_ideal"],
    )


def _read_records(runs: tuple[RunSummary, ...], selection: Filter, wanted: Collection[str], fastest: bool) -> Result:
    where, parameters = selection.where()
    frames, problems = over_each(
        runs, lambda cursor, records: select_flat(cursor, records, where, parameters, wanted, fastest)
    )
    every = ["run", *(name for name in columns() if name != "samples_s" or name in wanted)]
    # A frame with no rows has columns of no type, which would spoil the types of those it is joined to.
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return Result(pd.DataFrame(columns=every), problems)
    joined = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    lacking = [name for name in every if name not in joined.columns and name not in DERIVED]
    joined = joined.assign(**dict.fromkeys(lacking, np.nan))
    joined = with_figures(joined, {run.name: run.run for run in runs if run.run is not None})
    return Result(joined.assign(**{name: None for name in DERIVED if name not in joined.columns}), problems)


def over_each(runs: tuple[RunSummary, ...], query: Callable[[Cursor, str], T]) -> tuple[list[T], tuple[str, ...]]:
    """The answers of `query` over the nested records of the runs, as SQL, and what could not be read.

    Finished runs are asked all at once; where that fails, one by one, so that a broken file costs only itself. Runs
    that still grow, or are of an older schema, are read record by record.
    """
    answers: list[T] = []
    problems: list[str] = []
    finished = [run for run in runs if run.is_table]
    try:
        answers += [query(*_over(finished))] if finished else []
    except Exception:  # DuckDB has its own kinds, the conversion to pandas has others
        for run in finished:
            try:
                with reading(run.records_file, "corrupt", RESTORE):
                    answers.append(query(*_over([run])))
            except Problem as problem:
                problems.append(str(problem))
    for run in runs:
        if run.is_table:
            continue
        try:
            with reading(run.records_file, "corrupt", RESTORE):
                records = open_run(run.path).records()
                if records:
                    cursor = CONNECTION.cursor()
                    answers.append(query(cursor, nested(cursor, register(cursor, records, run.name))))
        except Problem as problem:
            problems.append(str(problem))
    return answers, tuple(problems)


def _over(runs: Sequence[RunSummary]) -> tuple[Cursor, str]:
    """A cursor, and SQL over the runs' Parquet files, the run's folder as column `run`."""
    cursor = CONNECTION.cursor()
    return cursor, nested(cursor, _from_files([run.records_file for run in runs]))


def _from_files(files: Sequence[Path]) -> str:
    quoted = ", ".join("'" + _literal(file) + "'" for file in files)
    return (
        "SELECT parse_path(filename)[-2] AS run, * EXCLUDE (filename) "
        f"FROM read_parquet([{quoted}], union_by_name = true, filename = true)"
    )


def _literal(file: Path) -> str:
    """The path in a SQL string, as itself: DuckDB takes a path for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(file)).replace("'", "''")


def _choices(runs: tuple[RunSummary, ...]) -> Choices:
    """Of each column its distinct values: one pass, over narrow columns only."""
    found: dict[str, set[Any]] = {}
    kinds: dict[tuple[str, str, str], None] = {}
    answers, _ = over_each(runs, _distinct)
    for values, triples in answers:
        kinds |= dict.fromkeys(kind for kind in triples if all(isinstance(word, str) for word in kind))
        for column, distinct in values.items():
            found.setdefault(column, set()).update(v for v in distinct if isinstance(v, str))

    def texts(column: str) -> tuple[str, ...]:
        return tuple(sorted(found.get(column, ())))

    variants: dict[str, set[str]] = {}
    shapes: dict[str, dict[tuple[str, ...], None]] = {}
    sizes: dict[str, set[int]] = {}
    dtypes: dict[str, set[str]] = {}
    for operation, variant, shape in kinds:
        own = _object(shape)
        own_sizes = sizes_of(own)
        if isinstance(own.get("dtype"), str):
            dtypes.setdefault(operation, set()).add(own["dtype"])
        variants.setdefault(operation, set()).add(variant)
        shapes.setdefault(operation, {})[tuple(own_sizes)] = None
        for axis, size in own_sizes.items():
            sizes.setdefault(axis, set()).add(size)
    axes = {name: merged(shapes[name]) for name in sorted(shapes, key=lambda name: (-len(variants[name]), name))}
    factors = {f"{name}={value}" for text in texts("factors") for name, value in _object(text).items()}
    return Choices(
        operations=tuple(sorted(variants)),
        variants=tuple(sorted(set().union(*variants.values()))),
        dtypes={name: tuple(sorted(known)) for name, known in dtypes.items()},
        passes=texts("pass"),
        backends=texts("backend"),
        machines=texts("machine"),
        sizes={axis: tuple(sorted(sizes[axis])) for axis in merged(axes.values())},
        axes=axes,
        factors=tuple(sorted(factors)),
    )


def _counted(cursor: Cursor, records: str) -> list[tuple[Any, ...]]:
    watched = '"time.median_s" IS NOT NULL AND "disturbance.blocks" IS NOT NULL'
    found: list[tuple[Any, ...]] = cursor.execute(
        f"""SELECT run, count(*), count("time.median_s"), count(*) FILTER ({watched}),
        count(*) FILTER ({watched} AND "disturbance.disturbed" > {DISTURBED_SHARE} * "disturbance.blocks")
        FROM {flat(records)} GROUP BY run"""
    ).fetchall()
    return found


def _object(text: str) -> dict[str, Any]:
    """A JSON object, empty where the text is something else."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    return {}


def _distinct(cursor: Cursor, records: str) -> tuple[dict[str, list[Any]], list[tuple[str, str, str]]]:
    """The distinct values of some columns, and the distinct (operation, variant, shape)."""
    rows = flat(records)
    wanted = ("pass", "backend", "machine", "factors")
    lists = ", ".join(f'list(DISTINCT "{column}")' for column in wanted)
    row = cursor.execute(f"SELECT {lists} FROM {rows}").fetchone()
    kinds = cursor.execute(f"SELECT DISTINCT operation, variant, shape FROM {rows}").fetchall()
    return {column: values or [] for column, values in zip(wanted, row or (), strict=True)}, kinds


def _read_beside(paths: tuple[Path, ...], wanted: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    if not paths:
        return pd.DataFrame()
    where = " AND ".join(f"{column} IN ({', '.join('?' * len(v)) or 'NULL'})" for column, v in wanted.items())
    parameters = [value for values in wanted.values() for value in values]
    found = []
    for path in paths:
        # What cannot be read costs itself alone; the run's summary says so (runs.py).
        with contextlib.suppress(Exception):
            query = f"SELECT * FROM ({_from_files([path])}) WHERE {where}"
            found.append(CONNECTION.cursor().execute(query, parameters).df())
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def kept(key: tuple[Any, ...], make: Callable[[], T]) -> T:
    """What `make` gave for this key before, else what it gives now. The key holds the stamps of all files read."""
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            kept: T = _cache[key]
            return kept
    value = make()
    with _lock:
        _cache[key] = value
        while len(_cache) > KEPT_FRAMES:
            _cache.popitem(last=False)
    return value
