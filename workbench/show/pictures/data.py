"""What a picture shows, as CSV: a row per point, with the name of its series."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

HEAD = ("series", "x", "x_minus", "x_plus", "y", "y_minus", "y_plus", "z")


def csv_of(picture: go.Figure) -> str:
    """Every trace of a picture under HEAD; columns in which nothing stands are left out. Of a map: a row per cell."""
    rows = [row for trace in picture.data for row in _rows(trace)]
    kept = [k for k in range(len(HEAD)) if k == 0 or any(row[k] not in (None, "") for row in rows)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([HEAD[k] for k in kept])
    writer.writerows([[_cell(row[k]) for k in kept] for row in rows])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """As it is; a text that a spreadsheet would take for a formula, behind an apostrophe."""
    if isinstance(value, str):
        value = value.replace("<br>", " ")  # a label in lines
        return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t") else value
    return value


def _rows(trace: Any) -> list[list[Any]]:
    xs, ys = _list(trace, "x"), _list(trace, "y")
    z = getattr(trace, "z", None)
    name = trace.name or ""
    if z is not None:
        text = getattr(trace, "text", None)
        cells = text if text is not None else z
        return [
            [name, x, None, None, y, None, None, value]
            for y, line in zip(ys, cells, strict=True)
            for x, value in zip(xs, line, strict=True)
            if value not in (None, "")
        ]
    count = max(len(xs), len(ys))
    xs, ys = (values or [trace.name if key == "y" else None] * count for key, values in (("x", xs), ("y", ys)))
    bars = [_bar(trace, key, which, count) for key in ("error_x", "error_y") for which in ("arrayminus", "array")]
    return [
        [name, x, x_minus, x_plus, y, y_minus, y_plus, None]
        for x, x_minus, x_plus, y, y_minus, y_plus in zip(xs, bars[0], bars[1], ys, bars[2], bars[3], strict=True)
        if x is not None and y is not None
    ]


def _bar(trace: Any, key: str, which: str, count: int) -> Sequence[Any]:
    bar = getattr(trace, key, None) if key in trace else None
    values = getattr(bar, which, None) if bar is not None else None
    return list(values) if values is not None else [None] * count


def _list(trace: Any, key: str) -> list[Any]:
    values = getattr(trace, key, None) if key in trace else None
    return [] if values is None else [value.item() if hasattr(value, "item") else value for value in values]
