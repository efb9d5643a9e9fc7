"""Dot plots as plain HTML: a row per variant, panels side by side, a mark at each value, a line where a limit lies.

The first page is made of these. A browser draws them at once, while plotly's script alone (4.7 MB) takes it a second
to read; they need no script, keep their text size at any width, and show a mark's details in its title.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.show.markup import Html

CSS = Path(__file__).with_name("dots.css")


@dataclass(frozen=True)
class Mark:
    """One value in a row of a panel."""

    value: float
    colour: str
    symbol: str
    """A class of dots.css: one of style.SYMBOLS, `circle-open`, `diamond-open`, or `line-ns` for a tick."""
    tip: str
    low: float | None = None
    high: float | None = None
    """Ends of its interval."""


@dataclass
class Panel:
    """One scale with the marks on it."""

    title: str
    log: bool
    ticks: Sequence[tuple[float, str]]
    rows: list[list[Mark]]
    """The marks of each row, in the order of the names."""
    lines: Sequence[tuple[float, str]] = ()
    """Vertical lines over all rows, and what they are."""
    legend: Sequence[tuple[str, str, str]] = ()
    """(symbol, colour, what it stands for)."""
    ends: tuple[float, float] | None = field(default=None)
    """The scale's ends; by the values where not given."""

    def place(self, value: float) -> float:
        """Where a value lies, in per cent of the panel's width; 4 to 96, so that no mark is cut off."""
        low, high = self.ends or self._span()
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-300))
        share = 0.5 if high <= low else (value - low) / (high - low)
        return 4 + 92 * min(1.0, max(0.0, share))

    def _span(self) -> tuple[float, float]:
        values = [v for marks in self.rows for m in marks for v in (m.value, m.low, m.high) if v is not None]
        values += [value for value, _ in (*self.lines, *self.ticks)]
        values = [value for value in values if not self.log or value > 0]
        return (min(values), max(values)) if values else (1.0, 1.0)


def draw(names: Sequence[str], panels: Sequence[Panel], label: str) -> Html:
    """The plot as HTML, named `label` for those who cannot see it; dots.css says how it looks."""
    parts = [
        f"<div class='dots' role='img' aria-label='{html.escape(label, quote=True)}' style='--panels:{len(panels)}'>"
    ]
    parts += ["<div></div>", *(f"<div class='dots-title'>{_title(panel)}</div>" for panel in panels)]
    for row, name in enumerate(names):
        parts.append(f"<div class='dots-name'>{html.escape(name)}</div>")
        for panel in panels:
            lines = "".join(f"<i style='left:{panel.place(x):.2f}%'></i>" for x, _ in panel.lines)
            marks = "".join(_mark(panel, mark) for mark in panel.rows[row])
            parts.append(f"<div class='dots-track'>{lines}{marks}</div>")
    parts.append("<div></div>")
    for panel in panels:
        ticks = (_tick(panel.place(x), text) for x, text in panel.ticks)
        parts.append(f"<div class='dots-axis'>{''.join(ticks)}</div>")
    return Html("".join(parts) + "</div>")


def _tick(place: float, text: str) -> str:
    """A label under its place; at the ends of a panel it stays inside, where it meets no neighbour's."""
    side = "dots-first" if place < 12 else "dots-last" if place > 88 else ""
    return f"<span class='{side}' style='left:{place:.2f}%'>{html.escape(text)}</span>"


def _title(panel: Panel) -> str:
    entries = [f"<span>{_symbol(s, c)} {html.escape(text)}</span>" for s, c, text in panel.legend]
    entries += [f"<span><b class='dots-line'></b> {html.escape(text)}</span>" for _, text in panel.lines]
    return f"<b>{html.escape(panel.title)}</b>{''.join(entries)}"


def _mark(panel: Panel, mark: Mark) -> str:
    tip = html.escape(mark.tip, quote=True)
    interval = ""
    if mark.low is not None and mark.high is not None:
        left, right = panel.place(mark.low), panel.place(mark.high)
        interval = f"<u style='left:{left:.2f}%;width:{right - left:.2f}%;color:{mark.colour}' title='{tip}'></u>"
    symbol = _symbol(mark.symbol, mark.colour)
    return f"{interval}<span style='left:{panel.place(mark.value):.2f}%' title='{tip}'>{symbol}</span>"


def _symbol(symbol: str, colour: str) -> str:
    """Drawn by a class, for SVG does not pass through Streamlit's sanitiser."""
    return f"<b class='mark {symbol}' style='color:{colour}'></b>"
