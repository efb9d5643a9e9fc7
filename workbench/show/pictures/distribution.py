"""How the samples of each variant are distributed: two clusters, a long tail and a drift look different."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.quantity import quantity
from workbench.show.pictures.style import GRID, MUTED, Style, laid_out, row_axis, rows_height, style_of

MOST = 400
"""Samples of a variant that are drawn, evenly taken: more points hide each other."""


def distribution(rows: pd.DataFrame, known: Mapping[str, Style]) -> go.Figure:
    """A row per record of timed variants at one shape, with its samples: their density above the line, the samples in
    the order taken (from top to bottom) below it, each over the median."""
    picture = go.Figure()
    names: list[str] = []  # the axis runs downwards: what is drawn on its negative side stands above the line
    for _, row in rows.iterrows():
        samples = np.asarray(row["samples_s"], dtype=float)
        if samples.size < 2:
            continue
        name = f"{row['variant']} · {row['run']}" if rows["run"].nunique() > 1 else str(row["variant"])
        if rows["device"].nunique() > 1:
            name += f" · {row['device']}"
        relative = samples[:: -(-samples.size // MOST)] / float(np.median(samples))
        style = style_of(known, f"{row['operation']}/{row['variant']}")
        names.append(name)
        picture.add_violin(
            x=relative, y0=name, orientation="h", side="negative", points="all", pointpos=0.5, jitter=0.35, name=name,
            width=1.1, spanmode="hard", line={"color": style.colour, "width": 1.5}, showlegend=False,
            marker={"size": 3, "color": style.colour, "opacity": 0.6},
            hoveron="points", hovertemplate=f"<b>{name}</b><br>%{{x:.3f}} of the median "
            f"({quantity(float(np.median(samples)), 's')}, {samples.size} samples)<extra></extra>",
        )  # fmt: skip
    picture.add_vline(x=1, line_color=MUTED, line_width=1)
    picture.update_xaxes(
        title={"text": "sample ÷ median of its variant (measured)"}, range=_range(rows), automargin=True
    )
    picture.update_yaxes(**(GRID | row_axis(names)))
    return laid_out(picture, rows_height(len(names), row=56), legend=False)


def _range(rows: pd.DataFrame) -> list[float]:
    """Around all samples of each variant but the last thirtieth: an outlier would leave a line of the rest."""
    each = [np.asarray(s, float) / np.median(s) for s in rows["samples_s"] if s is not None and len(s) > 1]
    ends = [np.quantile(relative, (0.0, 0.967)) for relative in each]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    return [float(min(low, 0.98)) - 0.02, float(max(high, 1.02)) + 0.02]
