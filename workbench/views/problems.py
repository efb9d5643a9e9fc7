"""The problems (shapes) that some records solve, the one that shows most first."""

from __future__ import annotations

import math

import pandas as pd

from workbench.views.shapes import sizes_of


def problems(records: pd.DataFrame) -> list[str]:
    """Shapes as the records carry them (JSON), those with most timed variants first, then the larger ones."""
    if records.empty:
        return []
    timed = records[records["time.median_s"].notna()]
    counts = timed.groupby("shape")["variant"].nunique()

    def rank(shape: str) -> tuple[int, float]:
        return (-int(counts.get(shape, 0)), -math.prod(sizes_of(shape).values()))

    return sorted(dict.fromkeys(records["shape"]), key=rank)
