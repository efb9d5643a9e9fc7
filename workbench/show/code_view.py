"""Code as HTML, line by line: one text with a line that was chosen, or two beside each other with what differs marked.

What is written in it is escaped; style.css of the dashboard says how it looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workbench.show.markup import Html, element
from workbench.store.record import BuildFact
from workbench.views.code_pair import CodeLine, PairedLine

RESOURCES = {
    "registers": "registers per thread", "shared_bytes": "shared memory, bytes", "spill_bytes": "spilled, bytes",
    "block_threads": "threads per block",
}  # fmt: skip


def code_view(lines: Iterable[CodeLine], chosen: int | None = None) -> Html:
    """A text with, before each line, its number and how many machine instructions came of it."""
    rows = [
        element("div", *_cells(line), class_="code-line chosen" if line.number == chosen else "code-line",
                **{"data-line": line.number})
        for line in lines
    ]  # fmt: skip
    return element("div", *rows, class_="code", tabindex=0)


def pair_view(rows: Sequence[PairedLine | int], a: str, b: str) -> Html:
    """Two texts under their names; a stretch that both have is one row that says how long it is."""
    heads = element("div", *(element("div", name, class_="code-name") for name in (a, b)), class_="code-pair")
    return element("div", heads, *map(_row, rows), class_="code", tabindex=0)


def _row(row: PairedLine | int) -> Html:
    if isinstance(row, int):
        return element("div", f"{row:,} {'line' if row == 1 else 'lines'} as in both", class_="code-same")
    kind = "differs" if row.differs else "recounted" if row.is_told else "same"
    sides = [
        element("div", *(_cells(line) if line else ()), class_=f"code-line {side}" if line else "code-line none")
        for side, line in (("a", row.a), ("b", row.b))
    ]
    return element("div", *sides, class_=f"code-pair {kind}")


def _cells(line: CodeLine) -> tuple[Html, Html, Html]:
    return (
        element("span", line.number, class_="code-number"),
        element("span", line.count or "", class_="code-count"),
        element("span", line.text, class_="code-text"),
    )


def counts_view(a: BuildFact, b: BuildFact, *names: str) -> Html:
    """Instructions by class of two kernels, those that differ most first, and what a launch of each takes."""
    apart = {name: abs(b.sass_mix.get(name, 0) - a.sass_mix.get(name, 0)) for name in {*a.sass_mix, *b.sass_mix}}
    classes = sorted(apart, key=lambda name: (name != "total", -apart[name], name))
    rows = [_counted(name.replace("_", " "), a.sass_mix.get(name, 0), b.sass_mix.get(name, 0)) for name in classes]
    rows += [_counted(title, getattr(a, name), getattr(b, name)) for name, title in RESOURCES.items()]
    head = element("tr", *(element("th", text) for text in ("", *names, "difference")))
    table = element("table", element("thead", head), element("tbody", *rows))
    return element("div", table, class_="plain")


def _counted(title: str, a: int | None, b: int | None) -> Html:
    apart = "" if a is None or b is None or a == b else f"{b - a:+,}"
    cells = ("–" if value is None else f"{value:,}" for value in (a, b))
    return element("tr", element("th", title), *(element("td", text, class_="number") for text in (*cells, apart)))
