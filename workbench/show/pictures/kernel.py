"""What the compiler made of a kernel: the mix of its instructions over architectures."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from workbench.show.pictures.style import MUTED, PALETTE, laid_out, rows_height

MOST = 12


def mix(found: pd.DataFrame) -> go.Figure:
    """Rows of `machine_code.mix` of one kernel: a group of bars per class, a bar per architecture; `other` last."""
    totals = found.groupby("kind")["count"].max().sort_values(ascending=False)
    kinds = [kind for kind in totals.index if kind != "other"][:MOST] + (["other"] if "other" in totals else [])
    picture = go.Figure()
    for place, (arch, rows) in enumerate(found.groupby("arch", sort=False)):
        counts = rows.set_index("kind")["count"].reindex(kinds).fillna(0)
        picture.add_bar(
            x=counts.to_numpy(), y=[kind.replace("_", " ") for kind in kinds], orientation="h", name=str(arch),
            marker_color=PALETTE[place % len(PALETTE)] if place < len(PALETTE) else MUTED,
            text=[f"{count:.0f}" if count else "" for count in counts], textposition="outside", cliponaxis=False,
            hovertemplate=f"{arch}: %{{x}} %{{y}} instructions<extra></extra>",
        )  # fmt: skip
    picture.update_layout(barmode="group")
    picture.update_xaxes(title={"text": "instructions (measured)"})
    picture.update_yaxes(autorange="reversed", automargin=True)
    return laid_out(picture, rows_height(len(kinds) * max(1, found["arch"].nunique()), row=14))
