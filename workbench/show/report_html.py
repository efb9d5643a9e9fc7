"""One HTML file that opens from disk with no network: plotly's script once, pictures by their data, tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import plotly.graph_objects as go

from workbench.show.markup import Html, element, escaped, together
from workbench.show.pictures.dots import CSS
from workbench.show.pictures.style import titles_wrapped

Piece: TypeAlias = go.Figure | Html
"""A picture, or HTML."""


@dataclass
class Section:
    """One operation, or one view over all."""

    title: str
    pieces: list[Piece] = field(default_factory=list)


POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
"""What a browser lets the file do: run its own scripts, and ask nobody for anything."""


def note(text: str) -> Html:
    return element("p", text, class_="note")


def render(title: str, found: Iterable[Section]) -> str:
    """The whole document: plotly's script once, every picture by its data, the page's own small script for themes."""
    from plotly.offline import get_plotlyjs

    contents = []
    parts = []
    for place, section in enumerate(found):
        contents.append(element("a", section.title, href=f"#s{place}"))
        pieces = [_piece(piece) for piece in section.pieces]
        parts.append(element("section", element("h2", section.title), *pieces, id=f"s{place}"))
    folder = Path(__file__).parent
    style = Html(CSS.read_text() + (folder / "report.css").read_text())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"{element('title', title)}<style>{style}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>{element('h1', title)}{element('nav', *contents)}"
        f"{together(*parts)}<script>{(folder / 'report.js').read_text()}</script></body></html>"
    )


def _piece(piece: Piece) -> Html:
    if isinstance(piece, str):
        return escaped(piece)
    # The end of a script inside of one would end it, and a record's name or reason might hold one.
    data = Html(titles_wrapped(piece).to_json().replace("<", "\\u003c"))
    height = piece.layout.height or 450
    picture = element("div", class_="picture", style=f"height:{height}px")
    return together(picture, element("script", data, type="application/json"))
