"""The registry of figures: one entry makes a figure appear everywhere, under one name, in words that are explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dashboard.folders import PROFILES
from docs import generate
from tests.dashboard.app import new_app
from tests.dashboard.synthetic import synthetic_run
from workbench.catalog import load_catalog
from workbench.show.figures import FIGURES, TABLES, Figure, columns_of, heading, sentence, value_text
from workbench.show.report import write_report
from workbench.views.runs import list_summaries

ROOT = Path(__file__).parents[2]
OWN = Figure(
    "bytes.per_step", "bytes per step", "derived", "B", "declared bytes over the sizes of T", ("ladder", "bandwidth"),
    of=lambda rows: rows["bytes.declared"] / rows["shape.T"],
)  # fmt: skip


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    synthetic_run(tmp_path, "run", lengths=(256,), dtypes=("float32",))
    monkeypatch.setenv(PROFILES, str(tmp_path))
    return tmp_path


@pytest.mark.thorough
def test_one_entry_is_a_figure_on_pages_in_the_report_and_in_the_docs(
    profiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everywhere() -> list[bool]:
        ladder, bandwidth = new_app(), new_app(page="Bandwidth")
        tables = " ".join(e.proto.body for e in ladder.run().get("html"))
        (run,) = list_summaries(profiles)
        return [
            "bytes per step kB · derived" in tables,
            any("bytes.per_step" in table.value for table in bandwidth.run().dataframe),
            "bytes per step kB · derived" in write_report(run, load_catalog(), tmp_path / "r.html").read_text(),
            "| bytes per step | B | derived |" in generate.figures_table(),
        ]

    assert everywhere() == [False] * 4
    monkeypatch.setitem(FIGURES, OWN.name, OWN)
    assert everywhere() == [True] * 4


def test_a_table_that_lacks_what_a_figure_is_made_from_is_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.show.tables import table
    from workbench.views.flat import frame_of

    monkeypatch.setitem(FIGURES, OWN.name, OWN)
    assert [column.name for column in table(frame_of([]), ["variant", OWN.name])[1]] == ["variant"]


def test_every_table_of_the_registry_is_known_and_has_figures() -> None:
    assert {table for entry in FIGURES.values() for table in entry.tables} == set(TABLES)
    for table in TABLES:
        assert len(columns_of(table)) > 3, table
        titles = [heading(name) for name in columns_of(table)]
        assert len(set(titles)) == len(titles), f"two columns of {table} have one name"


def test_values_with_their_names() -> None:
    assert sentence("share_of_floor", 0.69) == "69 % of its own model (derived)"
    assert sentence("bandwidth_bytes_per_s", 1.2e12) == "bandwidth 1.2 TB/s (derived)"
    assert value_text("settings", '{"block": 128, "unroll": 4}') == "block=128 unroll=4"
    assert value_text("time.median_s", float("nan")) == value_text("settings", None) == "–"
    assert heading("share_of_limit") == "% of the best possible · derived"


def words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Za-z]{2,}(?:-[a-z]+)?", text)}


EVERYDAY = words(
    "an and of the its own by per in with at out not read write written work traffic share rate sizes end gain block "
    "code device kernel cache timer samples under reason long short wait selected"
)
"""What needs no explanation to whoever has a kernel to make fast."""


def test_the_glossary_explains_the_words_of_every_title() -> None:
    """Of every figure of the workbench's own; those of Nsight Compute are its own words, with a meaning each."""
    text = generate.GLOSSARY.read_text().partition("## Figures")[0]
    heads = words(" ".join(re.findall(r"\*\*(.+?)\*\*", text)) + " " + " ".join(re.findall(r"\*(%[^*]+)\*", text)))
    own = [entry for entry in FIGURES.values() if entry.tables or entry.name.startswith(("noise", "speedup", "floor"))]
    unknown = {entry.title: words(entry.title) - heads - EVERYDAY for entry in own}
    assert {title: missing for title, missing in unknown.items() if missing} == {}
    assert 20 <= len(re.findall(r"^- \*\*", text, re.MULTILINE)) <= 40
    assert all(entry.meaning for entry in FIGURES.values() if entry.origin == "measured" and not entry.tables)
