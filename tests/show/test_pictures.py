"""Dot plots and the report: marks stand where their values are, and text from records cannot break out of the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.dashboard.synthetic import synthetic_run
from tests.views.build_records import timed
from workbench.catalog import load_catalog
from workbench.model.rungs import Rung
from workbench.problem import Problem
from workbench.show.pictures.dots import Mark, Panel, draw
from workbench.show.pictures.ladder import moved, times
from workbench.show.report import write_report
from workbench.show.report_html import Section, render
from workbench.store.record import Work
from workbench.views.flat import frame_of
from workbench.views.ladder import ladder
from workbench.views.runs import run_summary

KNOWN = {"scan/eager": Rung(0, "first", True), "scan/serial": Rung(1, "second", False)}


def panel(*values: float, log: bool = True) -> Panel:
    return Panel("time", log, [], [[Mark(value, "#000", "circle", "tip")] for value in values])


def test_places_follow_the_scale() -> None:
    one = panel(1.0, 10.0, 100.0)
    assert [one.place(value) for value in (1.0, 10.0, 100.0)] == pytest.approx([4, 50, 96])
    assert panel(0.0, 1.0, 4.0, log=False).place(1.0) == pytest.approx(4 + 92 / 4)
    assert panel(7.0).place(7.0) == 50, "one value alone stands in the middle"


def test_text_is_escaped() -> None:
    drawn = draw(["<script>"], [Panel("a<b", True, [], [[Mark(1.0, "#000", "circle", "'><b>")]])], "x'y")
    assert "<script>" not in drawn
    assert "a&lt;b" in drawn
    assert "title='&#x27;&gt;&lt;b&gt;'" in drawn


def test_the_naive_rung_stands_on_top() -> None:
    rows = ladder(frame_of([timed("serial", 0.5, seed=1), timed("eager", 1.0)]), KNOWN)
    names = re.findall("dots-name'>([^<]+)<", times(rows, {}))
    assert names == ["eager", "serial"]


def test_what_was_not_measured_has_no_mark() -> None:
    rows = ladder(
        frame_of([timed("eager", 1.0, declared=Work(bytes=200, launches=0)), timed("serial", 1.0, seed=1)]), KNOWN
    )
    drawn = moved(rows.assign(occupancy_achieved=None), {})
    assert drawn.count("title='launches declared: ") == 1, "no launch has no place on a logarithmic scale"
    assert "achieved" not in drawn


def test_a_report_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    synthetic_run(tmp_path / "profiles", "run", lengths=(256,), dtypes=("float32",), counters=True)
    file = write_report(run_summary("run", tmp_path / "profiles"), load_catalog(), tmp_path / "report.html")
    text = file.read_text()
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)  # plotly's file names addresses it never asks
    assert not re.search(r"(src|href)=['\"]https?:", own)
    assert "Parts of the chains" in own
    first = own.partition("<h2>")[2].partition("</section>")[0]
    assert first.startswith("Summary") and "is the fastest of" in first, "what the run found comes first"
    assert list(tmp_path.glob(".*.part")) == []


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    synthetic_run(tmp_path / "profiles", "run", lengths=(256,), dtypes=("float32",))
    with pytest.raises(Problem, match="--out"):
        write_report(run_summary("run", tmp_path / "profiles"), load_catalog(), tmp_path / "no" / "report.html")
    assert not (tmp_path / "no").exists()


def test_names_in_a_report_are_escaped() -> None:
    assert "<b>&lt;x&gt;" not in render("<x>", [Section("<y>")])
    assert "&lt;x&gt;" in render("<x>", [Section("<y>")])
