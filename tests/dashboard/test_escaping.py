"""No page writes a name into Markdown as it stands: every value in a text goes through a function that may."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

DASHBOARD = Path(__file__).parents[2] / "dashboard"
WRITERS = {
    "markdown", "caption", "info", "warning", "error", "success", "title", "header", "subheader", "write", "text",
    "expander", "popover", "button", "toggle", "checkbox", "metric", "nothing", "picture",
}  # fmt: skip
"""Of Streamlit (`st.…`), and show.py's own two that hand on what they are given."""
ESCAPE = {"plain", "code", "quantity", "len"}
"""What returns text that Markdown takes as it is."""
OWN_SENTENCES = {"summary", "in_words", "hints", "context", "glossary"}
"""Return sentences of workbench/show whose names are escaped there."""
OWN_NAMES = {"where"}
"""`where` is put together of escaped names one line above."""


def unescaped(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and source of each value that stands in a text for Markdown without an escape."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _name(node.func) not in WRITERS:
            continue
        first = node.args[2:3] if _name(node.func) == "picture" else node.args[:1]
        for text in [*first, *(k.value for k in node.keywords if k.arg in ("help", "label", "caption"))]:
            yield from _values(text)


def _name(function: ast.expr) -> str:
    """`markdown` of `st.markdown`, `missing` of `hints.no_runs`, `nothing` of `nothing`."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id == "st" else function.value.id
    return function.id if isinstance(function, ast.Name) else ""


def _values(text: ast.expr) -> Iterator[tuple[int, str]]:
    if isinstance(text, ast.Constant):
        return
    if isinstance(text, ast.JoinedStr):
        for part in text.values:
            if isinstance(part, ast.FormattedValue) and not part.format_spec:
                yield from _values(part.value)
    elif isinstance(text, ast.BinOp):
        yield from _values(text.left)
        yield from _values(text.right)
    elif isinstance(text, ast.IfExp):
        yield from _values(text.body)
        yield from _values(text.orelse)
    elif isinstance(text, ast.List):
        for part in text.elts:
            yield from _values(part)
    elif not (
        (isinstance(text, ast.Call) and _name(text.func) in ESCAPE | OWN_SENTENCES)
        or (isinstance(text, ast.Name) and text.id in OWN_NAMES)
    ):
        yield text.lineno, ast.unparse(text)


PASSED_ON = {("show.py", "caption"), ("show.py", "text"), ("08_import.py", "label")}
"""Captions and sentences that show.py writes for others, who are looked at themselves; labels of two constants."""


@pytest.mark.parametrize("file", sorted(DASHBOARD.rglob("*.py")), ids=lambda file: file.name)
def test_every_value_in_markdown_is_escaped(file: Path) -> None:
    found = [(line, source) for line, source in unescaped(ast.parse(file.read_text()))]
    assert [(line, source) for line, source in found if (file.name, source) not in PASSED_ON] == []


def test_an_unescaped_name_is_found() -> None:
    bad = "st.caption(f'On {device}. {plain(x)} {n:,}'); st.info(reason); nothing([run])"
    bad += "; st.markdown('a' + name, help=words)"
    assert [source for _, source in unescaped(ast.parse(bad))] == ["device", "reason", "run", "name", "words"]
