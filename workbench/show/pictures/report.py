"""A profiler's report: which kernels its time goes to."""

from __future__ import annotations

import textwrap

import pandas as pd
import plotly.graph_objects as go

from workbench.profile.diagnosis import LATENCY
from workbench.quantity import quantity
from workbench.show.pictures.style import PALETTE, axis, laid_out, row_axis, rows_height

MOST = 15
"""Kernels drawn, the longest; the table has all."""
NAME_LINE, NAME_LINES = 26, 2
"""Characters of a kernel's name in a line, and lines: more would leave a narrow screen no room for bars."""


def by_time(kernels: pd.DataFrame) -> go.Figure:
    """Rows of `report_kernels`: a bar per kernel, the longest on top, in the colour of the resource that binds."""
    rows = kernels[kernels["duration_s"].notna()].head(MOST)
    labels = _labels(rows)
    picture = go.Figure()
    bound = [word if isinstance(word, str) else "not known" for word in rows["binds"]]
    for place, resource in enumerate(sorted(set(bound), key=lambda word: (word == LATENCY, word))):
        own = [word == resource for word in bound]
        part = rows[own]
        picture.add_bar(
            x=part["duration_s"], y=[label for label, is_own in zip(labels, own, strict=True) if is_own],
            orientation="h", name=resource, marker_color=PALETTE[place % len(PALETTE)],
            text=[f"{100 * share:.1f} %" for share in part["share_of_report"]], textposition="auto",
            hovertext=[
                f"<b>{name}</b><br>{quantity(seconds, 's')} under the profiler (measured)<br>bound by {resource}"
                for name, seconds in zip(part["kernel"], part["duration_s"], strict=True)
            ], hoverinfo="text",
        )  # fmt: skip
    picture.update_xaxes(**axis("duration_s", label="time under the profiler"), rangemode="tozero")
    picture.update_yaxes(**row_axis(labels))
    picture.update_layout(barmode="overlay", legend_title_text="bound by")
    return laid_out(picture, rows_height(len(rows)))


def _labels(rows: pd.DataFrame) -> list[str]:
    """The kernels' names in lines, cut, with a number where several are alike: a bar each."""
    found: list[str] = []
    for name in rows["kernel"]:
        lines = textwrap.wrap(name, NAME_LINE, max_lines=NAME_LINES, placeholder="…") or [name]
        short = "<br>".join(lines)
        number = 2
        label = short
        while label in found:
            label, number = f"{short} #{number}", number + 1
        found.append(label)
    return found
