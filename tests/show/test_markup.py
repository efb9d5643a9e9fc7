"""Names come from anywhere: none of them becomes HTML in a report or Markdown on a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dashboard.hostile import HOSTILE, hostile_run
from workbench.catalog import load_catalog
from workbench.show.compare_text import as_markdown
from workbench.show.markup import Html, cell_text, code, element, plain, together
from workbench.show.report import without_folders, write_report
from workbench.show.tables import ceiling_text
from workbench.views.compare import compare
from workbench.views.filter import Filter
from workbench.views.query import read_records
from workbench.views.runs import run_summary


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


@given(text=st.text(alphabet=st.sampled_from("ab\n |`*[]<>$\\")))
def test_a_cell_ends_nothing_and_begins_nothing(text: str) -> None:
    shown = cell_text(text)
    assert "\n" not in shown
    rest = shown.replace("\\\\", "")
    for mark in "|`*[]<>$":
        assert rest.count(mark) == rest.count("\\" + mark)


def test_a_comparison_for_a_pull_request_asks_nobody(tmp_path: Path) -> None:
    folder = hostile_run(tmp_path / "profiles")
    records = read_records([run_summary("hostile", folder.path.parent)], Filter(), samples=True).frame
    text = as_markdown(compare(records, records, same_variant=True), "a | b", "`b`")
    assert "serial" in text and "![" not in text and "<img" not in text.replace("\\<img", "")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("copy_bytes_per_s", 2.5e10, "25 GB/s"),
        ("matmul_flops_per_s_bfloat16", 9.9e14, "990 TFLOP/s"),
        ("exp_per_s", 5.73e9, "5.73 Gexp/s"),
        ("exp_libm_per_s", 1e9, "1 Gexp/s"),
        ("launch_s", 2e-6, "2 µs"),
        ("step_latency_s", 4e-9, "4 ns"),
        ("of_somebody", 3.0, "3"),
    ],
)
def test_a_ceiling_has_its_unit(name: str, value: float, shown: str) -> None:
    assert ceiling_text(name, value) == shown


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("workbench import /home/me/secret/x.ncu-rep --kernels=/srv/mine", "workbench import x.ncu-rep --kernels=mine"),
        ("crashed at /home/me/k/scan/mine.cu:6, then ~/other/b.so", "crashed at mine.cu:6, then b.so"),
        (r"read C:\Users\me\a.csv", "read a.csv"),
        ("97 GB/s, k/v and a / b, https://host/a/b, ./here/x", "97 GB/s, k/v and a / b, https://host/a/b, ./here/x"),
    ],
)
def test_what_is_sent_holds_no_folder_of_its_maker(text: str, sent: str) -> None:
    assert without_folders(text) == sent
