"""The records of a device that somebody names in a word."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from workbench.problem import unknown


def on_device(records: pd.DataFrame, name: str, others: Iterable[str] = ()) -> pd.DataFrame:
    """Those of a backend (`cpu`, `cuda`), or of a device of whose name it is a part; all where `name` is empty. Raises
    Problem where there are records and none of such a device, naming what there is, `others` among it."""
    if not name or records.empty:
        return records
    backend, named = records["backend"] == name, records["device"].str.contains(name, case=False, regex=False)
    if not (backend | named).any():
        raise unknown("device", name, sorted({*records["backend"], *records["device"], *others}))
    return records[backend | named]
