"""Tables that stay legible: at any width names and figures are whole, and what is too long for a row stands below it.

Where standard output is a terminal its width counts (COLUMNS overrides it); a pipe or a file gets lines of whatever
length they have, so that a script finds each row on one line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

UNLIMITED = 100_000
"""Columns of a pipe: nothing is cut or wrapped there."""
NARROWEST = 24
"""Columns under which a text that may be broken into lines is no longer read."""
GAP = "  "
MOST_HEADING_LINES = 3
"""Of a heading that is broken so that the figures below it fit side by side."""


@dataclass(frozen=True)
class Column:
    """How one column is laid out."""

    name: str
    right: bool = False
    """Figures stand to the right."""
    breaks: bool = False
    """A text that may be broken between words, into several lines; anything else stays whole."""


@dataclass(frozen=True)
class Row:
    cells: Sequence[str]
    styles: dict[int, str] = field(default_factory=dict)
    """Style by number of the cell."""
    note: str = ""
    """A sentence that belongs to the row, printed below the table under the row's first cell."""


def width_of_output() -> int:
    """Columns that a line of standard output has."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    return Console().width if sys.stdout.isatty() else UNLIMITED


def console() -> Console:
    """A console for standard output, which breaks no line by itself."""
    return Console(width=width_of_output(), highlight=False, soft_wrap=True)


def say(line: str, style: str = "") -> None:
    """A line as it stands: square brackets in a name are no markup, and nothing is cut."""
    console().print(Text(line, style=style), soft_wrap=True)


def print_table(title: str, columns: Sequence[Column], rows: Iterable[Row | Sequence[str]]) -> None:
    """The table under its title, in the width there is.

    Where the columns do not fit side by side, columns that may be broken are; where that is not enough, a row is
    two lines or more: its first cells, then the others with their names.
    """
    found = [row if isinstance(row, Row) else Row(row) for row in rows]
    for line in table_lines(title, columns, found, width_of_output()):
        console().print(line, soft_wrap=True)


def table_lines(title: str, columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[Text]:
    """The lines of a table, none of them wider than `width` but those whose one word is."""
    # A column in which no row holds anything says nothing.
    kept = [k for k in range(len(columns)) if any(row.cells[k] for row in rows)] or list(range(len(columns)))
    columns = [columns[k] for k in kept]
    rows = [
        Row([row.cells[k] for k in kept], {kept.index(k): s for k, s in row.styles.items() if k in kept}, row.note)
        for row in rows
    ]
    titles = [title] if cell_len(title) <= width else _broken(title, width)
    lines = [Text(line) for line in titles if title]
    for heading_lines in (1, MOST_HEADING_LINES):
        natural = [
            max(_heading_width(c.name, heading_lines), *(cell_len(row.cells[k]) for row in rows), 0)
            for k, c in enumerate(columns)
        ]
        fixed = sum(n for n, c in zip(natural, columns, strict=True) if not c.breaks)
        room = width - len(GAP) * (len(columns) - 1) - fixed
        breaking = [k for k, c in enumerate(columns) if c.breaks]
        least = [max(min(NARROWEST, natural[k]), _longest_word(columns[k].name, k, rows)) for k in breaking]
        if sum(natural[k] for k in breaking) <= room or (breaking and room >= sum(least)):
            lines += _side_by_side(columns, rows, _shared(natural, dict(zip(breaking, least, strict=True)), room))
            break
    else:
        lines += _stacked(columns, rows, width)
    lines += [line for row in rows if row.note for line in _note(row, width)]
    return lines


def _longest_word(name: str, place: int, rows: Sequence[Row]) -> int:
    """Columns that no line break makes fewer."""
    return max(
        (cell_len(word) for text in (name, *(row.cells[place] for row in rows)) for word in text.split()), default=0
    )


def _shared(natural: Sequence[int], least: dict[int, int], room: int) -> list[int]:
    """Widths: columns that may break (with the least that each must have) share what room the others leave, none
    taking more than it needs."""
    widths = list(natural)
    waiting = list(least)
    while waiting:
        share = max(room // len(waiting), 1)
        settled = [k for k in waiting if natural[k] <= share] or [k for k in waiting if least[k] > share]
        for k in settled or waiting:
            widths[k] = min(natural[k], max(share, least[k]))
            room -= widths[k]
        waiting = [k for k in waiting if k not in settled] if settled else []
    return widths


def _side_by_side(columns: Sequence[Column], rows: Sequence[Row], widths: Sequence[int]) -> list[Text]:
    names = [_broken(column.name, width) for column, width in zip(columns, widths, strict=True)]
    bold = dict.fromkeys(range(len(columns)), "bold")
    lines = list(_lines(names, columns, widths, bold)) if any(column.name for column in columns) else []
    for row in rows:
        parts = [
            _broken(c, w) if column.breaks else [c] for c, column, w in zip(row.cells, columns, widths, strict=True)
        ]
        lines += _lines(parts, columns, widths, row.styles)
    return lines


def _lines(
    parts: Sequence[Sequence[str]], columns: Sequence[Column], widths: Sequence[int], styles: dict[int, str]
) -> Iterable[Text]:
    """One row of cells that are broken into lines, each from the top."""
    for number in range(max(map(len, parts))):
        yield _line([part[number] if number < len(part) else "" for part in parts], columns, widths, styles)


def _heading_width(name: str, lines: int) -> int:
    """Columns that a heading takes where it may be broken between words into so many lines."""
    least = max(map(cell_len, name.split() or [""])) if lines > 1 else cell_len(name)
    return next(width for width in range(least, cell_len(name) + 1) if len(_broken(name, width)) <= lines)


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], styles: dict[int, str]) -> Text:
    line = Text()
    for k, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        padding = " " * max(0, width - cell_len(cell))
        line.append(GAP if k else "")
        line.append(padding if column.right else "")
        line.append(cell, style=styles.get(k, ""))
        line.append("" if column.right else padding)
    line.rstrip()
    return line


def _stacked(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[Text]:
    """Each row as its first cell, then the others as `name value`, as many on a line as it holds."""
    lines = []
    for row in rows:
        line = Text(row.cells[0], style=row.styles.get(0, "bold"))
        used = cell_len(row.cells[0])
        for k, (column, cell) in enumerate(zip(columns[1:], row.cells[1:], strict=True), start=1):
            if not cell:
                continue
            for number, part in enumerate(
                _broken(cell, width - 4 - cell_len(column.name)) if column.breaks else [cell]
            ):
                words = Text()
                words.append(f"{column.name} " if number == 0 and column.name else "", style="dim")
                words.append(part, style=row.styles.get(k, ""))
                if used + len(GAP) + words.cell_len > width:
                    lines.append(line)
                    line, used = Text(""), 0
                line.append(GAP)
                line.append_text(words)
                used += len(GAP) + words.cell_len
        lines.append(line)
    return lines


def _broken(text: str, width: int) -> list[str]:
    """The text in lines of `width` columns at most, between words; a longer word stays whole."""
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines or [""]


def _note(row: Row, width: int) -> list[Text]:
    parts = _broken(f"{row.cells[0]}: {row.note}" if row.cells[0] else row.note, width - 2)
    return [Text(("  " if number else "") + part, style="dim") for number, part in enumerate(parts)]
