"""Ranks of a training: what each did when."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from workbench.show.pictures.style import PALETTE, laid_out, rows_height

COLOURS = {
    "computing": PALETTE[0],
    "hidden communication": PALETTE[2],
    "exposed communication": PALETTE[3],
}


def timeline(found: pd.DataFrame) -> go.Figure:
    """Rows rank, what, begin_s, seconds: a line per rank, a colour per thing; what is empty is neither."""
    picture = go.Figure()
    for what, colour in COLOURS.items():
        rows = found[found["what"] == what]
        picture.add_bar(
            base=rows["begin_s"], x=rows["seconds"], y=[f"rank {rank}" for rank in rows["rank"]], orientation="h",
            name=what, marker_color=colour, marker_line_width=0,
            hovertemplate="%{y}: " + what + ", %{x:.3s}s from %{base:.3s}s<extra></extra>",
        )  # fmt: skip
    picture.update_layout(barmode="overlay", bargap=0.3)
    picture.update_xaxes(title={"text": "time since the first event (measured)"}, tickformat="~s", ticksuffix="s")
    picture.update_yaxes(autorange="reversed", automargin=True)
    return laid_out(picture, rows_height(found["rank"].nunique(), row=40))
