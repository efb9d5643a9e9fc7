"""The workbench's own advice about records, from the rules that live with the kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.catalog import Catalog
from workbench.profile.advice import advise
from workbench.store.frame import row_to_record
from workbench.store.launch import Launch
from workbench.views.runs import RunSummary


def advice(
    runs: Sequence[RunSummary],
    records: pd.DataFrame,
    launches: Mapping[tuple[str, str], Sequence[Launch]],
    catalog: Catalog,
) -> pd.DataFrame:
    """A row per sentence: run, variant, sentence. Rules that need counters keep silent about records without them."""
    ceilings = {run.name: run.ceilings for run in runs}
    found = []
    for row in records.to_dict("records"):
        record = row_to_record({str(name): _plain(value) for name, value in row.items()})
        seen = launches.get((row["run"], row["key"]), ())
        for sentence in advise(record, seen, ceilings.get(row["run"], {}), catalog):
            found.append((row["run"], row["variant"], sentence))
    return pd.DataFrame(found, columns=["run", "variant", "sentence"]).drop_duplicates(["variant", "sentence"])


def _plain(value: Any) -> Any:
    """What pandas holds as missing is None again, and its floats for whole numbers are whole."""
    if value is pd.NA or value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
