"""The roofline, bytes by origin, and bandwidth against size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.quantity import quantity
from workbench.show.figures import Figure, figure, sentence, settings_text
from workbench.show.pictures.ladder import labels
from workbench.show.pictures.style import ALARM, MUTED, PALETTE, Style, axis, hover, laid_out, rows_height, style_of
from workbench.views.roofline import Roof
from workbench.views.shapes import shape_text


def roofline(found: pd.DataFrame, roofs: Sequence[Roof], known: Mapping[str, Style]) -> go.Figure:
    """Points of `roofline.points` under the roofs."""
    picture = _under(roofs, found)
    for key, group in found.groupby(found["operation"] + "/" + found["variant"], sort=False):
        style = style_of(known, str(key))
        picture.add_scatter(
            x=group["intensity"], y=group["flops_per_s"], mode="markers", name=str(key),
            marker={"color": style.colour, "symbol": style.symbol, "size": 9, "line": _outlines(group)},
            text=[_tip(row) for _, row in group.iterrows()], hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    picture.update_xaxes(type="log", dtick=1, title={"text": "intensity (derived), FLOPs per byte"}, automargin=True)
    picture.update_yaxes(
        **axis(
            "flops_per_s", log=True, values=[*found["flops_per_s"], *(r.flops_per_s for r in roofs if r.flops_per_s)]
        )
    )
    return laid_out(picture, 560)


def _under(roofs: Sequence[Roof], found: pd.DataFrame) -> go.Figure:
    """The roofs, wide enough for points of these intensities."""
    picture = go.Figure()
    low, high = (found["intensity"].min(), found["intensity"].max()) if len(found) else (0.1, 1000.0)
    ridges = [r.flops_per_s / r.bytes_per_s for r in roofs if r.flops_per_s and r.bytes_per_s]
    span = np.geomspace(float(min([low, *ridges])) / 4, float(max([high, *ridges])) * 4, 60)
    for roof in roofs:
        height = np.full_like(span, np.inf)
        if roof.bytes_per_s:
            height = np.minimum(height, span * roof.bytes_per_s)
        if roof.flops_per_s:
            height = np.minimum(height, roof.flops_per_s)
        what = ", ".join(
            filter(None, (quantity(roof.bytes_per_s, "B/s") if roof.bytes_per_s else "",
                          quantity(roof.flops_per_s, "FLOP/s") if roof.flops_per_s else ""))
        )  # fmt: skip
        picture.add_scatter(
            x=span, y=height, mode="lines", name=f"{roof.name} {roof.origin}: {what}",
            line={"color": MUTED, "width": 2, "dash": "solid" if roof.origin == "measured" else "dash"},
            hoverinfo="skip",
        )  # fmt: skip
    return picture


def simulated_roofline(found: pd.DataFrame, roof: Roof | None, known: Mapping[str, Style]) -> go.Figure:
    """Points of `roofline.simulated_points` under the datasheet's roof: simulated bytes, modelled time."""
    picture = _under([roof] if roof is not None else [], found)
    names = ("simulated.bytes", "simulated.floor_s", "simulated.bound_by", "intensity")
    for _, row in found.iterrows():
        style = style_of(known, f"{row['operation']}/{row['variant']}")
        tip = [f"<b>{row['operation']}/{row['variant']}</b>", shape_text(row["shape"]),
               *(sentence(name, row[name]) for name in names)]  # fmt: skip
        picture.add_scatter(
            x=[row["intensity"]], y=[row["flops_per_s"]], mode="markers", name=str(row["variant"]),
            marker={"color": style.colour, "symbol": f"{style.symbol.removesuffix('-open')}-open", "size": 10,
                    "line": {"width": 2}},
            text=[hover(tip)], hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    picture.update_xaxes(type="log", dtick=1, title={"text": "intensity, FLOPs per simulated byte"}, automargin=True)
    picture.update_yaxes(type="log", dtick=1, title={"text": "FLOP/s at the floor (modelled)"}, automargin=True)
    return laid_out(picture, 480)


def _outlines(points: pd.DataFrame) -> dict[str, Any]:
    """A red line around what has a share over 100 %; its reason stands in the point's tip."""
    over = points["over"].notna() if "over" in points else pd.Series(False, index=points.index)
    return {"color": ALARM, "width": [2 if above else 0 for above in over]}


TIPS = (
    "flops_per_s", "bandwidth_bytes_per_s", "share_of_floor", "floor_bound_by", "share_of_ceiling", "share_of_limit",
    "error.relative_l2",
)  # fmt: skip


def _tip(row: pd.Series) -> str:
    return hover(
        [
            f"<b>{row['operation']}/{row['variant']}</b>",
            f"{shape_text(row['shape'])} on {row['device']}",
            f"{quantity(row['time.median_s'], 's')} measured",
            f"{sentence('intensity', row['intensity'])} from {row['bytes_from']} bytes",
            *(sentence(name, row[name]) for name in TIPS),
            f"over 100 %: {row['over']}" if pd.notna(row.get("over")) else "",
            settings_text(row["settings"]),
        ]
    )


ORIGINS = (
    ("bytes.least", "line-ns", MUTED),
    ("bytes.declared", "circle-open", PALETTE[0]),
    ("bytes.counted", "x", PALETTE[3]),
)


def bytes_by_origin(rows: pd.DataFrame) -> go.Figure:
    """Ladder rows of one problem → the bytes that had to move, that the variant says it moves, and that moved."""
    picture = go.Figure()
    names = labels(rows)
    for column, symbol, colour in ORIGINS:
        name = f"{figure(column).title} ({figure(column).origin})"
        present = rows[column].notna().to_list()
        picture.add_scatter(
            x=rows.loc[present, column], y=[n for n, keep in zip(names, present, strict=True) if keep], name=name,
            mode="markers",
            marker={"symbol": symbol, "size": 12, "color": colour, "line": {"width": 2, "color": colour}},
            text=[f"{name}: {quantity(value, 'B')}" for value in rows.loc[present, column]],
            hovertemplate="%{y}, %{text}<extra></extra>",
        )  # fmt: skip
    spanned = [value for column, *_ in ORIGINS for value in rows[column].dropna()]
    picture.update_xaxes(**axis(Figure("moved", "bytes over memory", unit="B"), log=True, values=spanned))
    picture.update_yaxes(autorange="reversed", automargin=True, categoryorder="array", categoryarray=names)
    return laid_out(picture, rows_height(len(rows)))


def bandwidth(found: pd.DataFrame, size: str, roofs: Sequence[Roof], known: Mapping[str, Style]) -> go.Figure:
    """Curves of `scaling.curves`: bandwidth of declared bytes against a size, under the measured bandwidth."""
    picture = go.Figure()
    several = found["device"].nunique() > 1
    for _, points in found.groupby("curve", sort=False):
        first = points.iloc[0]
        style = style_of(known, f"{first['operation']}/{first['variant']}")
        name = f"{first['variant']} · {first['device']}" if several else str(first["variant"])
        picture.add_scatter(
            x=points["size"], y=points["bandwidth_bytes_per_s"], mode="lines+markers", name=name,
            line={"color": style.colour, "dash": style.dash}, marker={"symbol": style.symbol, "size": 8},
            hovertemplate=f"<b>{name}</b><br>{size} = %{{x}}: %{{y:.3s}}B/s (derived)<extra></extra>",
        )  # fmt: skip
    for roof in roofs:
        if roof.bytes_per_s:
            picture.add_scatter(
                x=[found["size"].min(), found["size"].max()], y=[roof.bytes_per_s] * 2, mode="lines",
                name=f"{roof.name} {roof.origin}: {quantity(roof.bytes_per_s, 'B/s')}",
                line={"color": MUTED, "width": 2, "dash": "solid" if roof.origin == "measured" else "dash"},
                hoverinfo="skip",
            )  # fmt: skip
    sizes = sorted(set(found["size"]))
    picture.update_xaxes(type="log", title={"text": size}, tickvals=sizes, ticktext=[f"{s}" for s in sizes])
    picture.update_yaxes(**axis("bandwidth_bytes_per_s"), rangemode="tozero")
    return laid_out(picture, 480)
