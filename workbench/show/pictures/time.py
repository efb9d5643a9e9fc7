"""Where the time goes: parts of a chain, kernels, stalls."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import plotly.graph_objects as go

from workbench.quantity import quantity
from workbench.show.figures import Figure
from workbench.show.pictures.style import MUTED, PALETTE, axis, laid_out, rows_height
from workbench.views.parts import OWN


def parts(found: pd.DataFrame) -> go.Figure:
    """Rows of `parts.shares`: a bar per chain, stacked by part, in per cent of the chain's time."""
    several = found[["run", "device"]].drop_duplicates().shape[0] > 1
    picture = go.Figure()
    for part, color in _colors(found).items():
        rows = found[found["part"] == part]
        labels = [f"{v} · {d}" if several else v for v, d in zip(rows["variant"], rows["device"], strict=True)]
        picture.add_bar(
            x=rows["share"], y=labels, orientation="h", name=part,
            marker_color=color, text=_labels(rows["share"]), textposition="inside",
            insidetextanchor="middle", hovertext=_hover(rows), hoverinfo="text",
        )  # fmt: skip
    picture.update_layout(barmode="relative")
    picture.update_xaxes(tickformat=".0%", title={"text": "% of the chain's time (derived)"})
    picture.update_yaxes(autorange="reversed", automargin=True)
    return laid_out(picture, rows_height(found["variant"].nunique(), row=40))


def parts_along(found: pd.DataFrame, axis: str) -> go.Figure:
    """Rows of `parts.shares_along` of one chain: a bar per size, stacked by part."""
    picture = go.Figure()
    for part, color in _colors(found).items():
        rows = found[found["part"] == part]
        picture.add_bar(
            x=[f"{size:,}" for size in rows["size"]], y=rows["share"], name=part, marker_color=color,
            text=_labels(rows["share"]), textposition="inside",
            insidetextanchor="middle", textangle=0, hovertext=_hover(rows), hoverinfo="text",
        )  # fmt: skip
    picture.update_layout(barmode="relative")
    picture.update_xaxes(type="category", title={"text": axis})
    picture.update_yaxes(tickformat=".0%", title={"text": "% of the chain's time (derived)"})
    return laid_out(picture, 380)


def resources(found: pd.DataFrame) -> go.Figure:
    """Rows of `simulated.resources` of one problem: a row per variant, a mark per counted resource. All modelled."""
    picture = go.Figure()
    names = list(dict.fromkeys(found["variant"]))
    for place, (name, rows) in enumerate(found.groupby("resource", sort=False)):
        colour = PALETTE[place % len(PALETTE)]
        shape = ("circle", "diamond")[place // len(PALETTE) % 2]
        symbols = [shape if binds else f"{shape}-open" for binds in rows["binds"]]
        picture.add_scatter(
            x=rows["seconds"], y=rows["variant"], mode="markers", name=str(name),
            marker={"color": colour, "symbol": symbols, "size": 11, "line": {"width": 2, "color": colour}},
            text=[f"{name}: {quantity(seconds, 's')} (modelled)" for seconds in rows["seconds"]],
            hovertemplate="%{y}, %{text}<extra></extra>",
        )  # fmt: skip
    picture.update_xaxes(**axis(Figure("seconds", "least time", "modelled", "s"), log=True, values=found["seconds"]))
    picture.update_yaxes(autorange="reversed", automargin=True, categoryorder="array", categoryarray=names)
    return laid_out(picture, rows_height(len(names)))


def _labels(shares: Iterable[float]) -> list[str]:
    """Per cent, where a bar has room for it."""
    return [f"{100 * share:.0f} %" if abs(share) > 0.05 else "" for share in shares]


def _colors(found: pd.DataFrame) -> dict[str, str]:
    """A colour per part, in their order; what is no part comes last."""
    names = [name for name in dict.fromkeys(found["part"]) if name != OWN]
    colors = {str(name): PALETTE[place % len(PALETTE)] for place, name in enumerate(names)}
    return {**colors, OWN: MUTED}


def _hover(rows: pd.DataFrame) -> list[str]:
    return [
        f"<b>{part}</b> {name}<br>{quantity(seconds, 's')} (derived), {100 * share:.1f} % of the whole"
        for part, name, seconds, share in zip(
            rows["part"], rows["part_variant"], rows["seconds"], rows["share"], strict=True
        )
    ]


def stacked(found: pd.DataFrame, group: str, title: str, most: int = 7) -> go.Figure:
    """Shares of one, a bar per variant, by `group` (stall reason, kernel): the `most` largest, the rest as one."""
    largest = list(found.groupby(group)["share"].sum().sort_values(ascending=False).index[:most])
    picture = go.Figure()
    for place, name in enumerate([*largest, "others"]):
        rows = found[found[group] == name] if name != "others" else found[~found[group].isin(largest)]
        if rows.empty:
            continue
        sums = rows.groupby("variant", sort=False)["share"].sum()
        picture.add_bar(
            x=sums.to_numpy(), y=list(sums.index), orientation="h", name=str(name)[:40],
            marker_color=MUTED if name == "others" else PALETTE[place % len(PALETTE)],
            text=_labels(sums), textposition="inside",
            insidetextanchor="middle", hovertemplate=f"<b>{name}</b>: %{{x:.1%}} (measured)<extra></extra>",
        )  # fmt: skip
    picture.update_layout(barmode="stack")
    picture.update_xaxes(tickformat=".0%", range=[0, 1.0], title={"text": title})
    picture.update_yaxes(autorange="reversed", automargin=True)
    return laid_out(picture, rows_height(found["variant"].nunique(), row=34, frame=240))
