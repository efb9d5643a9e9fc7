"""A comparison as a picture: each ratio with its interval against the noise of its own case."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from workbench.quantity import quantity
from workbench.show.pictures.style import MUTED, PALETTE, axis, laid_out, rows_height
from workbench.views.shapes import shape_text

COLOURS = {"slower": PALETTE[3], "faster": PALETTE[2], "same": MUTED, "undecided": PALETTE[1]}
SYMBOLS = {"slower": "triangle-right", "faster": "triangle-left", "same": "circle", "undecided": "circle-open"}
MOST_ROWS = 60


def ratios(pairs: pd.DataFrame) -> go.Figure:
    """Rows of `Comparison.frame()`, the slowest on top; the first MOST_ROWS of them."""
    shown = pairs[pairs["ratio"].notna()].sort_values("ratio", ascending=False).head(MOST_ROWS)
    several = shown["operation"].nunique() > 1
    names = [
        (f"{row['operation']}/" if several else "")
        + (row["variant_a"] if row["variant_a"] == row["variant_b"] else f"{row['variant_a']} → {row['variant_b']}")
        + f"<br>{shape_text(row['shape'])}"
        for _, row in shown.iterrows()
    ]
    picture = go.Figure()
    for verdict, colour in COLOURS.items():
        chosen = (shown["verdict"] == verdict).to_list()
        if not any(chosen):
            continue
        rows = shown[chosen]
        picture.add_scatter(
            x=rows["ratio"], y=[n for n, keep in zip(names, chosen, strict=True) if keep], mode="markers", name=verdict,
            marker={"color": colour, "symbol": SYMBOLS[verdict], "size": 11, "line": {"width": 2, "color": colour}},
            error_x={"type": "data", "symmetric": False, "array": rows["high"] - rows["ratio"],
                     "arrayminus": rows["ratio"] - rows["low"], "thickness": 2},
            text=[f"{r:.3f} [{lo:.3f}, {hi:.3f}] {v}<br>A {quantity(a, 's')}, B {quantity(b, 's')} (measured)<br>{why}"
                  for r, lo, hi, v, a, b, why in rows[["ratio", "low", "high", "verdict", "median_a_s", "median_b_s",
                                                       "reason"]].itertuples(index=False)],
            hovertemplate="<b>%{y}</b><br>%{text}<extra></extra>",
        )  # fmt: skip
    known = shown["noise_floor"].notna()
    if known.any():
        noise = shown.loc[known, "noise_floor"]
        picture.add_scatter(
            x=[1.0] * int(known.sum()), y=[n for n, keep in zip(names, known, strict=True) if keep], mode="markers",
            name="noise (measured)", marker={"symbol": "square", "size": 1, "color": MUTED},
            error_x={"type": "data", "symmetric": False, "array": noise, "arrayminus": 1 - 1 / (1 + noise),
                     "thickness": 12, "width": 0, "color": "rgba(138,143,152,0.35)"},
            text=[f"noise ±{quantity(value, '%')}" for value in noise], hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    picture.add_vline(x=1, line_color=MUTED, line_width=1)
    picture.update_xaxes(**axis("ratio", label="B ÷ A"))
    picture.update_yaxes(autorange="reversed", automargin=True, categoryorder="array", categoryarray=names)
    return laid_out(picture, rows_height(len(names), row=38))
