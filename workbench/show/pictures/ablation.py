"""What each factor does: a row per change of level, its effect with an interval over the pairs that it stands on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from workbench.quantity import quantity
from workbench.show.pictures.style import GRID, MUTED, PALETTE, axis, laid_out, row_axis, rows_height
from workbench.views.shapes import shape_text


def ablation(alone: pd.DataFrame, together: Sequence[pd.DataFrame]) -> go.Figure:
    """`alone`: rows of `views.ablation.effects`; `together`: the pairs of each factor among them."""
    names = [_name(row) for row in alone.to_dict("records")]
    picture = go.Figure()
    points = pd.concat(list(together), ignore_index=True) if together else pd.DataFrame()
    if len(points):
        points = points[[_name(row) in names for row in points.to_dict("records")]]
        each = points["log_ratio"].map(lambda value: 2.718281828459045**value)
        picture.add_scatter(
            x=each, y=[_name(row) for row in points.to_dict("records")], mode="markers", name="a pair",
            marker={"color": MUTED, "size": 6, "opacity": 0.6},
            text=[f"{row['variant_a']} → {row['variant_b']}<br>{shape_text(row['shape'])}<br>{quantity(x, 'x')}"
                  for row, x in zip(points.to_dict("records"), each, strict=True)],
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    for place, factor in enumerate(dict.fromkeys(alone["factor"])):
        own = alone[alone["factor"] == factor]
        picture.add_scatter(
            x=own["effect"], y=[_name(row) for row in own.to_dict("records")], mode="markers", name=str(factor),
            marker={"color": PALETTE[place % len(PALETTE)], "size": 12, "symbol": "diamond"},
            error_x={"type": "data", "symmetric": False, "array": own["effect_high"] - own["effect"],
                     "arrayminus": own["effect"] - own["effect_low"], "thickness": 2},
            text=[f"{quantity(row['effect'], 'x')} [{quantity(row['effect_low'], 'x')}, "
                  f"{quantity(row['effect_high'], 'x')}] {row['verdict']}<br>{row['pairs']} pairs"
                  for row in own.to_dict("records")],
            hovertemplate="<b>%{y}</b><br>%{text}<extra></extra>",
        )  # fmt: skip
    picture.add_vline(x=1, line_color=MUTED, line_width=1)
    values = [*alone["effect_least"], *alone["effect_most"], *alone["effect_low"], *alone["effect_high"], 1.0]
    picture.update_xaxes(**axis("effect", log=True, values=values))
    picture.update_yaxes(**(GRID | row_axis(names)))
    return laid_out(picture, rows_height(len(names), row=40))


def _name(row: dict[object, object]) -> str:
    return f"{row['factor']}: {row['from']}<br>→ {row['to']}"
