"""The workbench's own advice about records, from the rules that live with the kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from workbench.catalog import Catalog
from workbench.profile.advice import advise
from workbench.store.launch import Launch
from workbench.store.record import Record
from workbench.store.run_folder import open_run
from workbench.views.query import kept
from workbench.views.runs import RunSummary


def advice(
    runs: Sequence[RunSummary],
    records: pd.DataFrame,
    launches: Mapping[tuple[str, str], Sequence[Launch]],
    catalog: Catalog,
) -> pd.DataFrame:
    """A row per sentence: run, variant, sentence. Rules that need counters keep silent about records without them."""
    by_name = {run.name: run for run in runs}
    found = []
    for name, rows in records.groupby("run", sort=False):
        run = by_name[str(name)]
        whole = kept(("whole records", run.path, run.stamp), lambda run=run: _by_key(run))  # type: ignore[misc]
        for key in rows["key"]:
            record, seen = whole[key], launches.get((run.name, key), ())
            for sentence in advise(record, seen, run.ceilings_of(record.machine), catalog):
                found.append((run.name, record.variant, sentence))
    return pd.DataFrame(found, columns=["run", "variant", "sentence"]).drop_duplicates(["variant", "sentence"])


def _by_key(run: RunSummary) -> dict[str, Record]:
    return {record.key: record for record in open_run(run.path).records()}
