"""The ladder as pictures: time with its interval beside floor and limit, and what each rung moved."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.analyse.describe import figure, quantity
from workbench.analyse.figures.style import MUTED, Style, axis, finish, hover, rows_height, style_of


def times(rows: pd.DataFrame, known: Mapping[str, Style]) -> go.Figure:
    """Ladder rows of one problem → a row a variant, the naive one on top: median with its 95 % interval, its floor
    as a tick, and the limit of any algorithm as a line."""
    timed = rows[rows["time.median_s"].notna()]
    picture = go.Figure()
    names = labels(timed)
    for (_, row), name in zip(timed.iterrows(), names, strict=True):
        style = style_of(known, f"{row['operation']}/{row['variant']}")
        picture.add_scatter(
            x=[row["time.median_s"]], y=[name], mode="markers", name=name, showlegend=False,
            marker={"color": style.colour, "symbol": style.symbol, "size": 12},
            error_x={
                "type": "data", "symmetric": False, "array": [row["time.high_s"] - row["time.median_s"]],
                "arrayminus": [row["time.median_s"] - row["time.low_s"]], "color": style.colour, "thickness": 2,
            },
            hovertemplate=hover([
                f"<b>{name}</b> {row['idea']}",
                f"{quantity(row['time.median_s'], 's')} measured, "
                f"95 %: {quantity(row['time.low_s'], 's')} to {quantity(row['time.high_s'], 's')}",
                f"{quantity(row['share_of_floor'], '%')} of its floor ({row['floor_bound_by']})",
                f"{quantity(row['share_of_ceiling'], '%')} of the ceiling",
                f"{quantity(row['bandwidth_bytes_per_s'], 'B/s')} of declared bytes",
                f"speed-up {quantity(row['speedup_over_baseline'], 'x')}",
                f"{row['settings']}",
            ]) + "<extra></extra>",
        )  # fmt: skip
    floors = timed["floor_s"].notna()
    if floors.any():
        picture.add_scatter(
            x=timed.loc[floors, "floor_s"], y=[n for n, keep in zip(names, floors, strict=True) if keep],
            mode="markers", name="floor of what it declares (modelled)",
            marker={"symbol": "line-ns", "size": 16, "line": {"width": 3, "color": MUTED}},
            text=[f"floor {quantity(f, 's')}, bound by {b}" for f, b in
                  zip(timed.loc[floors, "floor_s"], timed.loc[floors, "floor_bound_by"], strict=True)],
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    for limit in sorted(set(timed["limit_s"].dropna())):
        picture.add_trace(_limit(limit, names))
    spanned = [*timed["time.median_s"], *timed["floor_s"].dropna(), *timed["limit_s"].dropna()]
    picture.update_xaxes(**axis("time.median_s", log=True, values=spanned))
    picture.update_yaxes(autorange="reversed", automargin=True, categoryorder="array", categoryarray=names)
    return finish(picture, rows_height(len(timed)))


def labels(rows: pd.DataFrame) -> list[str]:
    """A name a row: the variant, with backend and device where more than one occurs."""
    names = [str(name) for name in rows["variant"]]
    if rows["device"].nunique() > 1:
        names = [f"{name} · {device}" for name, device in zip(names, rows["device"], strict=True)]
    elif rows["backend"].nunique() > 1:
        names = [f"{name} · {backend}" for name, backend in zip(names, rows["backend"], strict=True)]
    if "run" in rows and rows.groupby(["device", "backend", "variant"])["run"].nunique().max() > 1:
        names = [f"{name} · {run}" for name, run in zip(names, rows["run"], strict=True)]
    return names


PANELS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("of floor, of ceiling", (("share_of_floor", "circle"), ("share_of_ceiling", "diamond-open"))),
    ("bytes", (("bytes.declared", "circle"), ("bytes.counted", "x"), ("bytes.least", "line-ns"))),
    ("launches", (("launches.declared", "circle"), ("launches.counted", "x"))),
    ("occupancy", (("occupancy_theoretical", "circle"), ("occupancy_achieved", "x"))),
)
"""What a rung moves: a panel each, and the columns in it with the symbol that tells them apart."""


def moved(rows: pd.DataFrame, known: Mapping[str, Style]) -> go.Figure:
    """What each rung moved: share of floor and ceiling, bytes, launches, occupancy, side by side, a row a variant."""
    present = [(title, [c for c in columns if c[0] in rows and rows[c[0]].notna().any()]) for title, columns in PANELS]
    present = [(title, columns) for title, columns in present if columns]
    names = labels(rows)
    picture = make_subplots(
        rows=1,
        cols=max(1, len(present)),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=[title for title, _ in present],
    )
    for place, (_, columns) in enumerate(present, start=1):
        for column, symbol in columns:
            picture.add_trace(_points(rows, names, column, symbol, known), row=1, col=place)
            picture.add_trace(_legend(column, symbol), row=1, col=place)
        picture.update_xaxes(**_panel_axis(rows, [column for column, _ in columns]), row=1, col=place)
    picture.update_yaxes(autorange="reversed", automargin=True, categoryorder="array", categoryarray=names)
    return finish(picture, rows_height(len(rows)))


def _points(rows: pd.DataFrame, names: list[str], column: str, symbol: str, known: Mapping[str, Style]) -> go.Scatter:
    """One column as points, coloured by variant; rows where it is missing have none."""
    entry = figure(column)
    title = f"{entry.label} ({entry.kind})"
    points = [
        (value, name, style_of(known, f"{operation}/{variant}").colour)
        for value, name, operation, variant in zip(rows[column], names, rows["operation"], rows["variant"], strict=True)
        if pd.notna(value)
    ]
    colours = [colour for _, _, colour in points]
    return go.Scatter(
        x=[value for value, _, _ in points],
        y=[name for _, name, _ in points],
        mode="markers",
        name=title,
        showlegend=False,
        marker={"symbol": symbol, "size": 11, "color": colours, "line": {"width": 2, "color": colours}},
        text=[
            f"{name}: {title} {quantity(value, entry.unit) if entry.unit else f'{value:,.0f}'}"
            for value, name, _ in points
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def _panel_axis(rows: pd.DataFrame, columns: list[str]) -> dict[str, object]:
    """A narrow panel has room for two labels on a logarithmic axis: its least and its largest value."""
    entry = figure(columns[0])
    if entry.unit == "%":
        return {"tickformat": ".0%", "range": [-0.05, 1.1], "tickvals": [0, 0.5, 1], "tickangle": 0}
    values = sorted({float(value) for column in columns for value in rows[column].dropna() if value > 0})
    ends = [values[0], values[-1]] if values and values[-1] > 1.5 * values[0] else values[:1]
    texts = [quantity(value, entry.unit) if entry.unit else f"{value:,.0f}" for value in ends]
    return {"type": "log", "tickvals": ends, "ticktext": texts, "tickangle": 0}


def _legend(column: str, symbol: str) -> go.Scatter:
    """What a symbol stands for, in no variant's colour."""
    entry = figure(column)
    marker = {"symbol": symbol, "size": 11, "color": MUTED, "line": {"width": 2, "color": MUTED}}
    return go.Scatter(x=[None], y=[None], mode="markers", name=f"{entry.label} ({entry.kind})", marker=marker)


def modelled(rows: pd.DataFrame, known: Mapping[str, Style]) -> go.Figure:
    """Rows of `modelled_ladder` of one problem: the floor of each variant on a device that was not measured."""
    rows = rows[rows["modelled_s"].notna()]
    names = [str(name) for name in rows["variant"]]
    points = _points(rows, names, "modelled_s", "circle-open", known)
    points.text = [
        f"<b>{row['variant']}</b> {row['idea']}<br>at least {quantity(row['modelled_s'], 's')} (modelled), "
        f"bound by {row['floor_bound_by']}"
        for _, row in rows.iterrows()
    ]
    picture = go.Figure(points)
    for limit in sorted(set(rows["limit_s"].dropna())):
        picture.add_trace(_limit(limit, names))
    picture.update_xaxes(**axis("modelled_s", log=True, label="least time", values=rows["modelled_s"]))
    picture.update_yaxes(autorange="reversed", automargin=True, categoryorder="array", categoryarray=names)
    return finish(picture, rows_height(len(rows)))


def _limit(limit: float, names: list[str]) -> go.Scatter:
    return go.Scatter(
        x=[limit, limit],
        y=[names[0], names[-1]],
        mode="lines",
        name=f"limit of any algorithm (modelled): {quantity(limit, 's')}",
        line={"color": MUTED, "dash": "dash", "width": 2},
        hovertemplate=f"limit {quantity(limit, 's')}<extra></extra>",
    )
