"""Ranks of a training: what each did when."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from workbench.show.pictures.style import MUTED, PALETTE, axis, laid_out, rows_height

COLOURS = {
    "computing": PALETTE[0],
    "hidden communication": PALETTE[2],
    "exposed communication": PALETTE[3],
    "bubble": MUTED,
}


def timeline(found: pd.DataFrame) -> go.Figure:
    """Rows rank, what, begin_s, seconds: a line per rank, a colour per thing; what is empty is the host."""
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


def planned(found: pd.DataFrame) -> go.Figure:
    """Rows scheme, ranks, planned_s: a line per scheme that fits somewhere, dotted since nothing of it was run."""
    picture = go.Figure()
    for place, (scheme, rows) in enumerate(found.groupby("scheme", sort=False)):
        picture.add_scatter(
            x=rows["ranks"], y=rows["planned_s"], mode="lines+markers", name=str(scheme),
            line={"color": PALETTE[place % len(PALETTE)], "dash": "dot"},
            hovertemplate=f"{scheme}, %{{x}} ranks: %{{y:.3s}}s (modelled)<extra></extra>",
        )  # fmt: skip
    _over_ranks(picture, found["ranks"])
    picture.update_yaxes(**axis("planned_s", log=True, values=found["planned_s"]))
    return laid_out(picture, 420)


def scaled(found: pd.DataFrame, kind: str) -> go.Figure:
    """Rows ranks, step_s with its interval: measured, beside what perfect scaling would be."""
    picture = go.Figure()
    picture.add_scatter(
        x=found["ranks"], y=found["step_s"], mode="lines+markers", name="measured",
        line={"color": PALETTE[0]},
        error_y={"type": "data", "symmetric": False, "array": found["step_high_s"] - found["step_s"],
                 "arrayminus": found["step_s"] - found["step_low_s"], "thickness": 1},
        hovertemplate="%{x} ranks: %{y:.3s}s per step<extra></extra>",
    )  # fmt: skip
    first = found.iloc[0]
    ideal = first["step_s"] * (first["ranks"] / found["ranks"] if kind == "strong" else 1 + 0 * found["ranks"])
    picture.add_scatter(x=found["ranks"], y=ideal, mode="lines", name="perfect", line={"color": MUTED, "dash": "dot"})
    _over_ranks(picture, found["ranks"])
    picture.update_yaxes(**axis("step_s", log=True, values=[*found["step_s"], *ideal]))
    return laid_out(picture, 360)


def _over_ranks(picture: go.Figure, ranks: pd.Series[int]) -> None:
    ticks = sorted(set(ranks))
    picture.update_xaxes(type="log", title={"text": "ranks"}, tickvals=ticks, ticktext=[f"{r:,}" for r in ticks])
