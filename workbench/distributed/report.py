"""A training on several ranks as one HTML file to send."""

from __future__ import annotations

from pathlib import Path

from workbench.distributed.shown import pieces
from workbench.show.figures import columns_of
from workbench.show.markup import element
from workbench.show.report import require_file, without_folders, write_file
from workbench.show.report_html import Section, note, render
from workbench.show.table_html import as_html


def write_training(folder: Path, out: Path) -> Path:
    """Writes the report of a training's folder, whole or not at all. Problem where it cannot be written, or where a
    file of the folder is not what it should be."""
    require_file(out, folder.name)
    sections: list[Section] = []
    for piece in pieces(folder):
        if piece.title or not sections:
            sections.append(Section(piece.title or "The training"))
        own = sections[-1].pieces
        if piece.picture is not None:
            own.append(piece.picture)
        if piece.rows is not None:
            own.append(as_html(piece.rows, columns_of(piece.table)))
        if piece.text:
            told = piece.picture is None and piece.rows is None
            own.append(element("p", without_folders(piece.text)) if told else note(piece.text))
    write_file(out, render(f"{folder.resolve().name}: training on several ranks", sections))
    return out
