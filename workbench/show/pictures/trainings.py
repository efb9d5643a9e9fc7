"""Quality against seconds of training, and where a step's time goes, subject by subject."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from workbench.quantity import quantity
from workbench.show.pictures.style import DASHES, MUTED, PALETTE, SYMBOLS, laid_out, row_axis, rows_height


def quality(found: pd.DataFrame, subjects: Sequence[str], metric: str, unit: str, wanted: float) -> go.Figure:
    """Curves of one task (`tasks.recorded.curves`) in the colours of their places among `subjects`, with the range of
    their seeds, and what is wanted."""
    picture = go.Figure()
    for subject, points in found.groupby("subject", sort=False):
        place = list(subjects).index(str(subject)) % len(PALETTE)
        tips = [
            f"<b>{subject}</b><br>epoch {row['epoch']}, {quantity(row['seconds'], 's')}<br>{metric} "
            f"{quantity(row['quality'], unit)} ({quantity(row['low'], unit)} – {quantity(row['high'], unit)})"
            for row in points.to_dict("records")
        ]
        picture.add_scatter(
            x=points["seconds"], y=points["quality"], mode="lines+markers", name=str(subject),
            line={"color": PALETTE[place], "dash": DASHES[0]}, marker={"symbol": SYMBOLS[place % len(SYMBOLS)]},
            error_y={"type": "data", "symmetric": False, "array": points["high"] - points["quality"],
                     "arrayminus": points["quality"] - points["low"], "thickness": 1},
            text=tips, hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    last = float(found["seconds"].max())
    picture.add_scatter(
        x=[0, last], y=[wanted, wanted], mode="lines", name="wanted", line={"color": MUTED, "dash": "dash"},
        hovertemplate=f"wanted: {quantity(wanted, unit)}<extra></extra>",
    )  # fmt: skip
    picture.update_xaxes(title={"text": "seconds of training steps (measured)"}, rangemode="tozero")
    picture.update_yaxes(title={"text": f"{metric} (measured)"}, automargin=True)
    if unit == "%":
        picture.update_yaxes(tickformat=".0%")
    return laid_out(picture, 440)


def step_time(found: pd.DataFrame) -> go.Figure:
    """Shares of one task (`tasks.recorded.shares`), a bar per subject."""
    picture = go.Figure()
    for place, (part, rows) in enumerate(found.groupby("part", sort=False)):
        colour = MUTED if part == "rest" else PALETTE[place % len(PALETTE)]
        picture.add_bar(
            y=rows["subject"], x=rows["share"], name=str(part), orientation="h", marker={"color": colour},
            hovertemplate=f"%{{y}}<br>{part}: %{{x:.1%}} of the steps (measured)<extra></extra>",
        )  # fmt: skip
    names = list(dict.fromkeys(found["subject"]))
    picture.update_layout(barmode="stack")
    picture = laid_out(picture, rows_height(len(names), frame=190))
    picture.update_xaxes(tickformat=".0%", range=[0, 1])
    picture.update_yaxes(row_axis(names))
    return picture
