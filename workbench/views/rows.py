"""Rows of frames as plain values."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd


def dicts_of(frame: pd.DataFrame, *columns: str) -> list[dict[str, Any]]:
    """A dictionary per row, by the columns' names; of these columns, where a frame has two hundred of them."""
    frame = frame[list(dict.fromkeys(columns))] if columns else frame
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def number_of(value: Any) -> float | None:
    """A cell as a number; None where it is missing or none."""
    try:
        number = float(value)
    except (TypeError, ValueError):  # None, or pandas' own word for what is missing
        return None
    return None if math.isnan(number) else number
