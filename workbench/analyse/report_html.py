"""One HTML file that opens from disk with no network: plotly's script once, pictures by their data, tables."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import plotly.graph_objects as go

from workbench.analyse.figures.dots import CSS

Piece: TypeAlias = go.Figure | str
"""A picture, or HTML."""


@dataclass
class Section:
    """One operation, or one view over all."""

    title: str
    pieces: list[Piece] = field(default_factory=list)


def note(text: str) -> str:
    return f"<p class='note'>{html.escape(text)}</p>"


def render(title: str, found: Iterable[Section]) -> str:
    """The whole document: plotly's script once, every picture by its data, the page's own small script for themes."""
    from plotly.offline import get_plotlyjs

    parts: list[str] = []
    contents: list[str] = []
    for place, section in enumerate(found):
        contents.append(f"<a href='#s{place}'>{html.escape(section.title)}</a>")
        pieces = "".join(_piece(piece) for piece in section.pieces)
        parts.append(f"<section id='s{place}'><h2>{html.escape(section.title)}</h2>{pieces}</section>")
    folder = Path(__file__).parent
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><link rel='icon' href='data:,'>"
        f"<title>{html.escape(title)}</title><style>{CSS.read_text()}{(folder / 'report.css').read_text()}</style>"
        f"<script>{get_plotlyjs()}</script></head><body><h1>{html.escape(title)}</h1>"
        f"<nav>{''.join(contents)}</nav>{''.join(parts)}"
        f"<script>{(folder / 'report.js').read_text()}</script></body></html>"
    )


def _piece(piece: Piece) -> str:
    if isinstance(piece, str):
        return piece
    # The end of a script inside of one would end it, and a record's name or reason might hold one.
    data = piece.to_json().replace("</", "<\\/")
    height = piece.layout.height or 450
    return f"<div class='picture' style='height:{height}px'></div><script type='application/json'>{data}</script>"
