"""How every picture looks: a colour and a symbol per variant, the same on every page; axes with units and origins.

The eight colours stay apart in normal vision and under protanopia, deuteranopia and tritanopia (OKLab distance of
at least 0.095 in each, Machado et al. 2009), and stand out from white and from the dark theme's background; a test
holds both. Where an operation has more than eight variants, symbols and dashes tell the next eight apart.
"""

from __future__ import annotations

import hashlib
import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from workbench.quantity import quantity
from workbench.show.figures import Figure, figure

PALETTE = ("#2f6691", "#e99a03", "#059d70", "#d45f07", "#7d63cf", "#10b4fb", "#c181b9", "#84573f")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "hexagon", "cross")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "5px 2px", "2px 5px")
MUTED = "#8a8f98"
"""Floors, limits, reference lines: what is no variant. Legible on white and on dark."""
ALARM = "#d6402b"
"""What cannot be: a share over 100 %, a point above its roof. Legible on white and on dark."""

INKS = ("#111111", "#ffffff")
"""What text on a colour is written in."""


def ink(colour: str) -> str:
    """The ink that stands out most from a colour: for a text on it (contrast as WCAG 2 defines it)."""
    return max(INKS, key=lambda one: contrast(one, colour))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours in hexadecimal, 1 to 21; text is legible from 4.5 on (WCAG 2.1, 1.4.3)."""
    dark, light = sorted(_luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


TICKS = {
    "s": {"tickformat": "~s", "ticksuffix": "s"},
    "B": {"tickformat": "~s", "ticksuffix": "B"},
    "B/s": {"tickformat": "~s", "ticksuffix": "B/s"},
    "FLOP/s": {"tickformat": "~s", "ticksuffix": "FLOP/s"},
    "%": {"tickformat": ".0%"},
    "x": {"ticksuffix": "x"},
}


@dataclass(frozen=True)
class Style:
    """How a variant is drawn."""

    colour: str
    symbol: str
    dash: str


def styles(variants: Mapping[str, Any]) -> dict[str, Style]:
    """`operation/variant` → its style, after its place among the operation's variants in the catalogue's order."""
    counts: dict[str, int] = {}
    found = {}
    for key in variants:
        operation = key.partition("/")[0]
        place = counts.get(operation, 0)
        counts[operation] = place + 1
        found[key] = _style(place)
    return found


def style_of(known: Mapping[str, Style], key: str) -> Style:
    """The style of `operation/variant`; one that the catalogue does not know gets the same one every time."""
    if key in known:
        return known[key]
    return _style(hashlib.sha256(key.encode()).digest()[0] % (len(PALETTE) * len(SYMBOLS)))


def _style(place: int) -> Style:
    turn = place // len(PALETTE)
    return Style(PALETTE[place % len(PALETTE)], SYMBOLS[turn % len(SYMBOLS)], DASHES[turn % len(DASHES)])


def axis(
    column: str | Figure, log: bool = False, label: str = "", values: Iterable[float] = (), **more: Any
) -> dict[str, Any]:
    """An axis for a column: its name, where it comes from, its unit on every tick.

    A logarithmic one is given the `values` on it, so that its few ticks are whole and carry their unit.
    """
    entry = column if isinstance(column, Figure) else figure(column)
    name = label or entry.title
    title = f"{name} ({entry.origin})" if entry.origin else name
    ticks: dict[str, Any] = dict(TICKS.get(entry.unit, {}))
    if log:
        marks = log_ticks([float(value) for value in values if value and value > 0])
        ticks = {
            "type": "log",
            **({"tickvals": marks, "ticktext": [_tick(v, entry.unit) for v in marks]} if marks else ticks),
        }
    return {"title": {"text": title}, "automargin": True, **ticks, **more}


MOST_TICKS = 7
"""More labels than that run into each other on a narrow screen."""


def log_ticks(values: list[float]) -> list[float]:
    """1, 2 and 5 times powers of ten around the values, fewer of them the more decades there are."""
    if not values:
        return []
    first, last = math.floor(math.log10(min(values) / 1.5)), math.ceil(math.log10(max(values) * 1.5))
    for digits, step in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3)):
        ticks = [digit * 10.0**power for power in range(first, last + 1, step) for digit in digits]
        ticks = [tick for tick in ticks if min(values) / 2 <= tick <= max(values) * 2]
        if len(ticks) <= MOST_TICKS:
            break
    return ticks


def _tick(value: float, unit: str) -> str:
    return quantity(value, unit)


TITLE_LINE = 34
"""Characters of a horizontal axis' title in a line: between the names of rows and the edge of a narrow screen."""
LINE_HEIGHT = 18
"""Of a title, in pixels: what a picture grows by with each further line."""


def titles_wrapped(picture: go.Figure) -> go.Figure:
    """The picture with long titles of its horizontal axes in several lines: a narrow screen would cut them off."""
    most = 0
    for axis in picture.select_xaxes():
        text = axis.title.text
        if text and "<br>" not in text:
            lines = textwrap.wrap(text, TITLE_LINE, break_long_words=False)
            axis.title.text = "<br>".join(lines)
            most = max(most, len(lines) - 1)
    if picture.layout.height is not None:
        picture.layout.height += LINE_HEIGHT * most
    return picture


GRID = {"gridcolor": "rgba(138,143,152,0.25)", "zerolinecolor": "rgba(138,143,152,0.5)"}


def layout(height: int, legend: bool = True, **axes: dict[str, Any]) -> dict[str, Any]:
    """Margins, background and a legend under the picture, where it takes no width from a narrow one."""
    return {
        "height": height,
        "margin": {"l": 10, "r": 20, "t": 30, "b": 10},
        "showlegend": legend,
        "legend": {
            "orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left",
            "traceorder": "normal",
        },
        "hoverlabel": {"align": "left"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        **{name: GRID | axis for name, axis in axes.items()},
    }  # fmt: skip


def row_axis(names: list[str]) -> dict[str, Any]:
    """A vertical axis of names, the first one on top."""
    return {"autorange": "reversed", "automargin": True, "categoryorder": "array", "categoryarray": names}


def laid_out(picture: go.Figure, height: int, legend: bool = True) -> go.Figure:
    """A picture that was put together trace by trace, with the layout that all have."""
    picture.update_layout(layout(height, legend))
    picture.update_xaxes(GRID, automargin=True)
    picture.update_yaxes(GRID)
    return picture


def rows_height(count: int, row: int = 30, least: int = 220, frame: int = 130) -> int:
    """Height of a picture with one row per variant, in pixels."""
    return max(least, frame + row * count)


def hover(lines: Iterable[str]) -> str:
    """Lines of a hover box, the empty ones left out."""
    return "<br>".join(line for line in lines if line)
