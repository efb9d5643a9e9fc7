"""Error against a size on log-log axes, a curve per variant, with the error that is let pass."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from workbench.show.pictures.style import MUTED, Style, laid_out, style_of


def error_growth(found: pd.DataFrame, axis: str, known: Mapping[str, Style]) -> go.Figure:
    """Curves of `views.error_growth.error_curves`."""
    picture = go.Figure()
    names = ["variant", "backend"]
    for (variant, backend), points in found.groupby(names, sort=False):
        style = style_of(known, f"{points['operation'].iloc[0]}/{variant}")
        name = f"{variant} · {backend}" if found["backend"].nunique() > 1 else str(variant)
        picture.add_scatter(
            x=points["size"], y=points["error"], mode="lines+markers", name=name,
            line={"color": style.colour, "dash": style.dash}, marker={"symbol": style.symbol, "size": 8},
            hovertemplate=f"<b>{name}</b><br>{axis} = %{{x:,}}<br>error %{{y:.2e}} (measured)<extra></extra>",
        )  # fmt: skip
    bounds = found.groupby("size")["bound"].max().dropna()
    if len(bounds):
        picture.add_scatter(
            x=list(bounds.index), y=bounds, mode="lines", name="let pass", line={"color": MUTED, "dash": "dash"},
            hovertemplate="let pass: %{y:.2e}<extra></extra>",
        )  # fmt: skip
    sizes = sorted(set(found["size"]))
    ticks = sizes[:: -(-len(sizes) // 8)]
    picture.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{size:,}" for size in ticks], title={"text": axis})
    picture.update_yaxes(type="log", title={"text": "relative L2 error (measured)"}, exponentformat="power", dtick=1)
    return laid_out(picture, 480)
