"""The runs of a folder, a row each: when, where and from what they were made, and how quiet it was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.problem import Problem
from workbench.store.notes import Notes, read_notes
from workbench.views.query import counts
from workbench.views.runs import RunSummary

COLUMNS = (
    "run", "created", "commit", "host", "device", "state", "records", "timed", "noise_floor", "between_runs",
    "disturbed_share", "tags", "note",
)  # fmt: skip


def run_table(runs: Sequence[RunSummary]) -> pd.DataFrame:
    """COLUMNS, in the order of `runs`. `noise_floor` is the largest of a run's machines; `disturbed_share` is of the
    timed records that say whether others used the machine. A corrupt run has its problem as note."""
    counted = counts(runs)
    rows = []
    for run in runs:
        notes = _notes(run)
        floors = [m.noise_floor for m in run.machines if m.noise_floor is not None]
        between = [value for machine in run.machines for value in machine.between_runs.values()]
        records, timed, watched, disturbed = counted.get(run.name, (None, None, None, None))
        rows.append(
            (
                run.name, run.created, run.commit or None, ", ".join(run.hosts) or None, run.device, run.state, records,
                timed, max(floors, default=None), float(np.median(between)) if between else None,
                disturbed / watched if disturbed is not None and watched else None, ", ".join(notes.tags) or None,
                (run.problem or notes.text) or None,
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def passing(table: pd.DataFrame, text: str, tags: Sequence[str]) -> pd.DataFrame:
    """The rows in which every word of `text` occurs, in whatever column, and that carry all `tags`."""
    found = table
    everything = found.astype("object").fillna("").astype(str).agg(" ".join, axis=1).str.casefold()
    for word in text.casefold().split():
        found = found[everything.loc[found.index].str.contains(word, regex=False)]
    own = found["tags"].fillna("").str.split(", ")
    return found[own.map(lambda row: set(tags) <= set(row)).astype(bool)] if tags else found


def tags_of(table: pd.DataFrame) -> list[str]:
    return sorted({tag for text in table["tags"].dropna() for tag in text.split(", ")})


def _notes(run: RunSummary) -> Notes:
    try:
        return read_notes(run.path)
    except Problem as problem:
        return Notes(str(problem))
