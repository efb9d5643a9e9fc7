"""Which variants were timed where, without their times: what a decision over many runs is made from is found out by it
before anything else is read. Each column costs its share per file, and most runs decide nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from workbench.model.figures import machine_of, of_each
from workbench.store.record import DISTURBED_SHARE
from workbench.views.filter import Filter
from workbench.views.flat import EXPRESSIONS, Cursor
from workbench.views.query import Result, kept, over_each
from workbench.views.runs import RunSummary

PLACE = ("operation", "pass", "shape", "device", "backend")
"""What a time is of, beside the variant."""
COLUMNS = ("run", *PLACE, "variant")
MORE = {
    "factors": ("factors", EXPRESSIONS["factors"]),
    "disturbed": (
        f"coalesce(disturbance.disturbed > {DISTURBED_SHARE} * disturbance.blocks, FALSE) AS disturbed",
        "disturbed",
    ),
}
"""What else can be asked for: of the nested records, and then of their distinct rows."""


def timed(runs: Sequence[RunSummary], selection: Filter, more: Sequence[str] = ()) -> Result:
    """A row for each variant that has a time at a shape on a device in one of the runs: COLUMNS, and of MORE what is
    named."""
    readable = tuple(run for run in runs if run.state != "corrupt")
    key = ("timed", tuple((run.path, run.stamp) for run in readable), selection, tuple(more))
    return kept(key, lambda: _timed(readable, selection, more))


def first_of(found: pd.DataFrame, runs: Iterable[str], within: Sequence[str]) -> pd.DataFrame:
    """Of the rows that agree in the columns `within` those of the first of `runs`."""
    place = found["run"].map({run: number for number, run in enumerate(runs)})
    return found[place == place.groupby([found[name] for name in within]).transform("min")]


def _timed(runs: tuple[RunSummary, ...], selection: Filter, more: Sequence[str]) -> Result:
    where, parameters = selection.where()
    own = 'run, operation, variant, "pass", machine, backend'
    inner = "".join(f", {MORE[name][0]}" for name in more)
    outer = "".join(f", {MORE[name][1]} AS {name}" for name in more)

    def query(cursor: Cursor, records: str) -> pd.DataFrame:
        sql = (
            f"SELECT {own}, {EXPRESSIONS['shape']} AS shape{outer} FROM (SELECT DISTINCT {own}, axes, dtype, regime"
            f'{inner} FROM {records} WHERE {where} AND "time".median_s IS NOT NULL)'
        )
        found: pd.DataFrame = cursor.execute(sql, parameters).df()
        return found

    answers, problems = over_each(runs, query)
    filled = [rows for rows in answers if len(rows)]
    if not filled:
        return Result(pd.DataFrame(columns=[*COLUMNS, *more]), problems)
    rows = pd.concat(filled, ignore_index=True)
    known = {run.name: run.run for run in runs if run.run is not None}
    places, names = of_each(rows, ("run", "machine"), lambda run, id_: machine_of(known, run, id_).name)
    device = [names[place] for place in places]
    return Result(rows.assign(device=device)[[*COLUMNS, *more]].drop_duplicates(ignore_index=True), problems)
