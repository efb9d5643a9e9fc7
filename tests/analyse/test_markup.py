"""Names come from anywhere: none of them becomes HTML in a report or Markdown on a page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.dashboard.hostile import HOSTILE, hostile_run
from workbench.analyse.markup import Html, code, element, plain, together
from workbench.analyse.report import write_report
from workbench.analyse.sides import run_summary
from workbench.catalog import load_catalog


class Tags(HTMLParser):
    """Every tag of a document with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@given(text=st.text(), name=st.text())
def test_text_and_attributes_of_an_element_are_text(text: str, name: str) -> None:
    tags = Tags(element("td", text, title=name))
    assert [tag for tag, _ in tags.found] == ["td"] and set(tags.found[0][1]) == {"title"}


def test_only_html_passes_as_html() -> None:
    inner = element("b", "<i>")
    assert inner == "<b>&lt;i&gt;</b>" and isinstance(inner, Html)
    assert element("p", inner, " & ", "<b>") == "<p><b>&lt;i&gt;</b> &amp; &lt;b&gt;</p>"
    assert together("<", inner) == "&lt;<b>&lt;i&gt;</b>"


@given(text=st.text(alphabet=st.sampled_from("ab\n !`*_[](){}<>$:#~\\|-+.")))
def test_plain_markdown_is_one_line_with_everything_special_escaped(text: str) -> None:
    shown = plain(text)
    assert "\n" not in shown
    rest = shown.replace("\\\\", "")
    for mark in "`*_[](){}<>$:#~|!":
        assert rest.count(mark) == rest.count("\\" + mark)


def test_code_holds_no_backtick_and_no_newline() -> None:
    assert code("a`b\n![](http://host/x.png)") == "`a'b ![](http://host/x.png)`"


def test_a_report_of_a_hostile_run_holds_no_tag_and_no_address_of_it(tmp_path: Path) -> None:
    folder = hostile_run(tmp_path / "profiles")
    file = write_report(run_summary(folder.path.name, folder.path.parent), load_catalog(), tmp_path / "r.html")
    text = file.read_text()
    tags = Tags(text)
    assert not [tag for tag, _ in tags.found if tag in ("img", "iframe", "svg", "object")]
    handlers = [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert handlers == []
    assert HOSTILE not in text.partition("<body>")[2], "it stands there escaped only"
    assert any("Content-Security-Policy" in str(a.get("http-equiv")) for _, a in tags.found)
