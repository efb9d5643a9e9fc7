"""A variant's times over dates or commits: a colour per host and device, a line per level, a mark at each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from workbench.quantity import quantity
from workbench.show.pictures.style import DASHES, MUTED, PALETTE, SYMBOLS, axis, hover, laid_out
from workbench.views.history import Step


def history(found: pd.DataFrame, steps: Sequence[Step], by_commit: bool = False) -> go.Figure:
    """Points of `views.history.points`; hollow ones were taken on a disturbed machine and belong to no level."""
    picture = go.Figure()
    order = list(dict.fromkeys(_label(row) for row in found.sort_values(["created", "run"]).itertuples()))
    for place, (number, own) in enumerate(found.groupby("series", sort=True)):
        own = own.sort_values(["created", "run"], kind="stable")
        colour, symbol = PALETTE[place % len(PALETTE)], SYMBOLS[place // len(PALETTE) % len(SYMBOLS)]
        first = own.iloc[0]
        name = " · ".join(filter(None, (first["host"], first["device"])))
        x = [_label(row) for row in own.itertuples()] if by_commit else list(own["created"])
        disturbed = own["disturbed"].fillna(False).astype(bool)
        picture.add_scatter(
            x=x, y=own["time.median_s"], mode="markers", name=name, legendgroup=str(number),
            marker={"color": colour, "size": 8, "symbol": [f"{symbol}-open" if d else symbol for d in disturbed]},
            error_y={"type": "data", "symmetric": False, "array": own["time.high_s"] - own["time.median_s"],
                     "arrayminus": own["time.median_s"] - own["time.low_s"], "thickness": 1},
            text=[hover([f"<b>{name}</b>", f"{row['run']}", f"commit {row['commit']}" if row["commit"] else "",
                         str(row["created"])[:16], f"{quantity(row['time.median_s'], 's')} measured",
                         "disturbed" if row["disturbed"] is True else ""]) for _, row in own.iterrows()],
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
        picture.add_scatter(
            x=x, y=own["level"], mode="lines", line={"color": colour, "shape": "hv", "dash": DASHES[place % 2]},
            legendgroup=str(number), showlegend=False, connectgaps=True, hoverinfo="skip",
        )  # fmt: skip
    for step in steps:
        at = step.after["commit"] or step.after["run"] if by_commit else step.after["created"]
        picture.add_annotation(
            x=order.index(at) if by_commit and at in order else at, y=step.after["time.median_s"],
            text=f"{step.ratio:.2f}x", showarrow=True, arrowhead=2, arrowcolor=MUTED, ax=0, ay=-36,
        )  # fmt: skip
    if by_commit:
        picture.update_xaxes(
            title={"text": "commit, oldest run first"}, type="category", categoryarray=order, nticks=12
        )
    else:
        picture.update_xaxes(title={"text": "date of the run"}, type="date", **_a_day_at_least(found["created"]))
    picture.update_yaxes(**axis("time.median_s"))
    return laid_out(picture, 480)


def _a_day_at_least(created: pd.Series[str]) -> dict[str, Any]:
    """A range for dates that all lie within a day: ticks would else stand milliseconds apart."""
    dates = pd.to_datetime(created, utc=True, errors="coerce").dropna()
    if dates.empty or dates.max() - dates.min() >= pd.Timedelta(days=1):
        return {}
    pad = pd.Timedelta(hours=12)
    return {"range": [str(at)[:19] for at in (dates.min() - pad, dates.max() + pad)]}


def _label(row: object) -> str:
    return str(row.commit or row.run)  # type: ignore[attr-defined]
