"""Time against a size on log-log axes with the floors drawn in; the map of the fastest variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase

import pandas as pd
import plotly.graph_objects as go

from workbench.quantity import quantity
from workbench.show.figures import sentence, settings_text
from workbench.show.pictures.style import MUTED, Style, axis, hover, ink, laid_out, style_of
from workbench.views.scaling import TIE

NARROW_CHARACTERS = 40
"""Characters that lie beside each other in the cells of a row where a window is 390 pixels wide."""
CELL_LINES = 3


def growth(found: pd.DataFrame, size: str, known: Mapping[str, Style]) -> go.Figure:
    """Curves of `scaling.curves`: measured times with their intervals; each floor thin and dotted in its colour."""
    picture = go.Figure()
    several = found["device"].nunique() > 1
    devices = list(dict.fromkeys(found["device"]))
    for _, points in found.groupby("curve", sort=False):
        first = points.iloc[0]
        style = style_of(known, f"{first['operation']}/{first['variant']}")
        name = f"{first['variant']} · {first['device']}" if several else str(first["variant"])
        dash = ("solid", "dash", "dot", "dashdot")[devices.index(first["device"]) % 4] if several else style.dash
        picture.add_scatter(
            x=points["size"], y=points["time.median_s"], mode="lines+markers", name=name, legendgroup=name,
            line={"color": style.colour, "dash": dash}, marker={"symbol": style.symbol, "size": 8},
            error_y={"type": "data", "symmetric": False, "array": points["time.high_s"] - points["time.median_s"],
                     "arrayminus": points["time.median_s"] - points["time.low_s"], "thickness": 1},
            text=[hover([f"<b>{name}</b>", f"{size} = {row['size']:,}",
                         f"{quantity(row['time.median_s'], 's')} measured",
                         sentence("share_of_floor", row["share_of_floor"]), f"bound by {row['floor_bound_by']}",
                         settings_text(row["settings"])]) for _, row in points.iterrows()],
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
        if points["floor_s"].notna().sum() > 1:
            picture.add_scatter(
                x=points["size"], y=points["floor_s"], mode="lines", legendgroup=name, showlegend=False,
                line={"color": style.colour, "dash": "dot", "width": 1}, opacity=0.7,
                hovertemplate=f"floor of {name} (modelled): %{{y:~s}}s<extra></extra>",
            )  # fmt: skip
    if found["floor_s"].notna().any():
        picture.add_scatter(
            x=[None], y=[None], mode="lines", name="floors (modelled)", line={"color": MUTED, "dash": "dot", "width": 1}
        )
    sizes = sorted(set(found["size"]))
    picture.update_xaxes(type="log", tickvals=_thinned(sizes), automargin=True)
    picture.update_xaxes(title={"text": size}, ticktext=[_short(v) for v in _thinned(sizes)])
    picture.update_yaxes(**axis("time.median_s", log=True, values=found["time.median_s"]))
    return laid_out(picture, 560)


def _thinned(sizes: list[int], most: int = 10) -> list[int]:
    """At most `most` of the sizes as ticks, evenly taken: more labels than that run into each other."""
    step = -(-len(sizes) // most)
    return sizes[::step]


def _short(size: int) -> str:
    """`64`, `4Ki`: sizes are powers of two more often than not."""
    if size >= 1024 and size % 1024 == 0:
        return f"{size // 1024}Ki"
    return f"{size}"


def fastest(
    cells: pd.DataFrame, across: str, down: str | None, operation: str, known: Mapping[str, Style]
) -> go.Figure:
    """Cells of `scaling.fastest_map`: a colour per winner, grey where there is none beyond doubt. Each cell has its
    winner's name, or a letter that the legend explains where the columns are too narrow for names on a phone."""
    winners = [w for w in dict.fromkeys(cells["winner"]) if w != TIE] + ([TIE] if TIE in set(cells["winner"]) else [])
    colour = {w: MUTED if w == TIE else style_of(known, f"{operation}/{w}").colour for w in winners}
    xs, ys = sorted(set(cells["across"])), sorted(set(cells["down"]))
    short = _short_names(winners, len(xs))
    place = {(row.across, row.down): row for row in cells.itertuples()}
    steps = len(winners)
    scale = [
        [edge, colour[w]] for i, w in enumerate(winners) for edge in (i / steps, (i + 1) / steps)
    ]  # a flat colour per winner
    grid = [[winners.index(place[x, y].winner) if (x, y) in place else None for x in xs] for y in ys]
    tips = [[_tip(place.get((x, y)), across, down) for x in xs] for y in ys]
    picture = go.Figure(
        go.Heatmap(
            z=grid, x=[_short(x) for x in xs], y=[_short(y) for y in ys], zmin=-0.5, zmax=steps - 0.5,
            colorscale=scale, showscale=False, xgap=2, ygap=2,
            text=[[_cell(place.get((x, y))) for x in xs] for y in ys], hovertext=tips, hoverinfo="text",
        )
    )  # fmt: skip
    for row in cells.to_dict("records"):  # a heatmap has one colour for all of its texts
        picture.add_annotation(
            x=xs.index(row["across"]),
            y=ys.index(row["down"]),
            text=short[row["winner"]],
            showarrow=False,
            font={"color": ink(colour[row["winner"]])},
        )
    for winner in winners:
        picture.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=winner if short[winner].replace("<br>", "") == winner else f"{short[winner]}: {winner}",
            marker={"color": colour[winner], "symbol": "square", "size": 12},
        )
    picture.update_xaxes(title={"text": across}, type="category")
    picture.update_yaxes(title={"text": down}, type="category", showticklabels=down is not None)
    return laid_out(picture, max(260, 150 + 48 * len(ys)))


def _short_names(winners: Sequence[str], columns: int) -> dict[str, str]:
    """What stands in the cells of each winner: its name, in lines at its underscores, or a letter where its longest
    line is wider than a column of the narrowest window."""
    lines = {winner: winner.split("_") for winner in winners}
    widest = max((len(line) for own in lines.values() for line in own), default=0)
    if widest * columns <= NARROW_CHARACTERS and all(len(own) <= CELL_LINES for own in lines.values()):
        return {winner: "_<br>".join(own) for winner, own in lines.items()}
    return {winner: "=" if winner == TIE else _letter(place) for place, winner in enumerate(winners)}


def _letter(place: int) -> str:
    """A … Z, A1 … Z1, and so on."""
    return ascii_uppercase[place % 26] + (str(place // 26) if place >= 26 else "")


def _cell(row: object) -> str:
    return "" if row is None else f"{row.winner}"  # type: ignore[attr-defined]


def _tip(row: object, across: str, down: str | None) -> str:
    if row is None:
        return "not measured"
    return hover(
        [
            f"{across} = {row.across:,}" + (f", {down} = {row.down:,}" if down else ""),  # type: ignore[attr-defined]
            f"{row.others}",  # type: ignore[attr-defined]
            f"fastest: {row.tied} (none is slower beyond doubt)" if row.winner == TIE else f"fastest: {row.winner}",  # type: ignore[attr-defined]
            f"{quantity(row.seconds, 's')} measured",  # type: ignore[attr-defined]
        ]
    )
