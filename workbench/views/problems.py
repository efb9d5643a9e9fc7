"""The problems (shapes) that some records solve, the one that shows most first."""

from __future__ import annotations

import json
import math

import pandas as pd


def problems(records: pd.DataFrame) -> list[str]:
    """Shapes as the records carry them (JSON), those with most timed variants first, then the larger ones."""
    if records.empty:
        return []
    timed = records[records["time.median_s"].notna()]
    counts = timed.groupby("shape")["variant"].nunique()

    def rank(shape: str) -> tuple[int, float]:
        sizes = [value for value in json.loads(shape).values() if isinstance(value, int)]
        return (-int(counts.get(shape, 0)), -math.prod(sizes))

    return sorted(dict.fromkeys(records["shape"]), key=rank)


def shape_text(shape: str) -> str:
    """`{"B": 4, "T": 64, …}` → `B4 T64 float32`."""
    sizes = json.loads(shape)
    axes = " ".join(f"{name}{sizes[name]}" for name in "BTDHO" if name in sizes)
    others = [f"{name}={size}" for name, size in sizes.items() if name not in (*"BTDHO", "dtype", "regime")]
    return " ".join(filter(None, (axes, *others, str(sizes.get("dtype", "")))))
