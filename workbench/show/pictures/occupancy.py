"""Occupancy: theoretical beside achieved, and the curves of a what-if."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.quantity import quantity
from workbench.show.figures import sentence
from workbench.show.pictures.style import MUTED, PALETTE, Style, axis, hover, laid_out, rows_height, style_of

LIMITER_COLOURS = {
    "registers": PALETTE[1],
    "shared memory": PALETTE[4],
    "warps": PALETTE[2],
    "blocks": PALETTE[5],
    "barriers": PALETTE[7],
}
UNKNOWN = "unknown"


def by_kernel(facts: pd.DataFrame) -> go.Figure:
    """Rows of `occupancy.by_kernel` of one architecture: a bar per kernel, coloured by its limiter; achieved as x."""
    names = [_name(row) for _, row in facts.iterrows()]
    picture = go.Figure()
    limiters = facts["occupancy_limiter"].fillna(UNKNOWN)
    for limiter in sorted(set(limiters), key=_place):
        chosen = (limiters == limiter).to_list()
        if any(chosen):
            rows = facts[chosen]
            first, second = limiter_colours(limiter)
            stripes = {"shape": "/", "bgcolor": first, "fgcolor": second, "solidity": 0.4} if second else None
            picture.add_bar(
                x=rows["occupancy_theoretical"], y=[n for n, keep in zip(names, chosen, strict=True) if keep],
                orientation="h", marker={"color": first, "pattern": stripes},
                name=f"theoretical, limited by {limiter}",
                text=[f"{100 * value:.0f} %" for value in rows["occupancy_theoretical"]], textposition="inside",
                insidetextanchor="start",
                hovertext=[_tip(row) for _, row in rows.iterrows()], hoverinfo="text",
            )  # fmt: skip
    seen = facts["occupancy_achieved"].notna().to_list() if "occupancy_achieved" in facts else []
    if any(seen):
        picture.add_scatter(
            x=facts.loc[seen, "occupancy_achieved"], y=[n for n, keep in zip(names, seen, strict=True) if keep],
            mode="markers", name="achieved",
            marker={"symbol": "diamond", "size": 11, "color": MUTED, "line": {"width": 1, "color": "white"}},
            hovertemplate="achieved %{x:.1%} (measured)<extra></extra>",
        )  # fmt: skip
    picture.update_xaxes(tickformat=".0%", range=[0, 1.05], title={"text": "occupancy"})
    picture.update_yaxes(autorange="reversed", automargin=True, categoryorder="array", categoryarray=names)
    return laid_out(picture, rows_height(len(set(names)), frame=170))


def limiter_colours(limiter: str) -> tuple[str, str | None]:
    """The colour of what limits, and of what limits just as much where two or more tie."""
    colours = [LIMITER_COLOURS.get(name, MUTED) for name in limiter.split(" and ")]
    return colours[0], colours[1] if len(colours) > 1 else None


def _place(limiter: str) -> tuple[int, str]:
    names = limiter.split(" and ")
    known = list(LIMITER_COLOURS)
    return (known.index(names[0]) if names[0] in known else len(known), limiter)


def _name(row: pd.Series) -> str:
    if row.get("operation") == "unnamed":  # an imported kernel: the variant is its name, as short as tells it apart
        return str(row["variant"])
    return f"{row['variant']}: {row['kernel']}" if row["kernel"] != row["variant"] else str(row["variant"])


def _tip(row: pd.Series) -> str:
    lines = (
        f"<b>{_name(row)}</b> on {row['arch']}",
        f"{quantity(row['occupancy_theoretical'], '%')} theoretical (modelled), limited by {row['occupancy_limiter']}",
        f"{row['registers']} registers per thread, {quantity(row['shared_bytes'], 'B')} shared memory per block",
        f"{row['block_threads']} threads per block",
    )
    return hover(lines)


AXES = (
    ("block_threads", "threads per block"),
    ("registers", "registers per thread"),
    ("shared_bytes", "shared bytes per block"),
)


def what_if(curves: pd.DataFrame, here: Mapping[str, float], occupancy: float) -> go.Figure:
    """The three curves of `occupancy.what_if`, stacked, each coloured by what limits it there, and the point itself."""
    picture = make_subplots(rows=len(AXES), cols=1, vertical_spacing=0.13)
    shown: set[str] = set()
    for place, (name, title) in enumerate(AXES, start=1):
        points = curves[curves["axis"] == name]
        picture.add_scatter(
            x=points["value"], y=points["occupancy"], mode="lines", line={"color": MUTED, "width": 1, "shape": "hv"},
            showlegend=False, hoverinfo="skip", row=place, col=1,
        )  # fmt: skip
        for limiter, part in points.groupby("limiter"):
            words = str(limiter)
            first, second = limiter_colours(words)
            picture.add_scatter(
                x=part["value"], y=part["occupancy"], mode="markers", name=f"limited by {words}", legendgroup=words,
                showlegend=words not in shown,
                marker={"color": first, "size": 6, "line": {"color": second or first, "width": 2 if second else 0}},
                customdata=part[["warps", "blocks"]],
                hovertemplate="%{x}: %{y:.0%}, %{customdata[0]} warps in %{customdata[1]} blocks<extra></extra>",
                row=place, col=1,
            )  # fmt: skip
            shown.add(words)
        picture.add_scatter(
            x=[here[name]], y=[occupancy], mode="markers", name="as set", showlegend=place == 1, legendgroup="here",
            marker={"symbol": "circle-open", "size": 16, "color": PALETTE[3], "line": {"width": 3}},
            hovertemplate="as set: %{y:.0%}<extra></extra>", row=place, col=1,
        )  # fmt: skip
        picture.update_xaxes(title={"text": title}, row=place, col=1)
    picture.update_yaxes(tickformat=".0%", range=[0, 1.08], dtick=0.25)
    picture.update_yaxes(title={"text": "occupancy (modelled)"}, row=2, col=1)
    return laid_out(picture, 680)


def against_speed(rows: pd.DataFrame, known: Mapping[str, Style]) -> go.Figure:
    """Ladder rows with occupancy: share of the floor against occupancy: high occupancy is no aim in itself."""
    picture = go.Figure()
    for _, row in rows.iterrows():
        style = style_of(known, f"{row['operation']}/{row['variant']}")
        achieved = row.get("occupancy_achieved")
        measured = achieved is not None and pd.notna(achieved)
        x = achieved if measured else row["occupancy_theoretical"]
        picture.add_scatter(
            x=[x], y=[row["share_of_floor"]], mode="markers", name=str(row["variant"]),
            marker={"color": style.colour, "symbol": style.symbol if measured else f"{style.symbol}-open", "size": 12},
            hovertemplate=f"<b>{row['variant']}</b><br>occupancy {quantity(x, '%')} "
            f"({'achieved, measured' if measured else 'theoretical, modelled'})<br>"
            f"{sentence('share_of_floor', row['share_of_floor'])}<extra></extra>",
        )  # fmt: skip
    picture.update_xaxes(
        title={"text": "occupancy (filled: achieved, open: theoretical)"}, tickformat=".0%", range=[0, 1.1]
    )
    picture.update_yaxes(**axis("share_of_floor"), rangemode="tozero")
    return laid_out(picture, 440)
