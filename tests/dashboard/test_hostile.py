"""Names of a run that try to be HTML, Markdown, links and mathematics: nothing of them runs, and nobody is asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.dashboard.conftest import Server
from tests.dashboard.hostile import WORD, hostile_run
from tests.dashboard.visit import PAGES, Visit

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("operation", "pages"),
    [
        pytest.param(quote(WORD), ("Ladder", "Compare"), id="names and sentences"),
        pytest.param(quote(WORD), PAGES, id="every", marks=pytest.mark.thorough),
        pytest.param("scan", ("Ladder", "Bandwidth", "Kernel", "Compare"), id="scan", marks=pytest.mark.thorough),
    ],
)
def test_a_hostile_run_runs_nothing_and_asks_nobody(
    chromium: Any, serve: Callable[[Path], Server], tmp_path: Path, operation: str, pages: tuple[str, ...]
) -> None:
    """Names that try to be HTML, Markdown images, links and mathematics."""
    hostile_run(tmp_path / "profiles")
    visit = Visit(chromium, serve(tmp_path / "profiles").url)
    dialogs: list[str] = []
    visit.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    try:
        visit.open("Ladder", run="hostile", operation=operation)
        for page in pages:
            visit.go(page)
            assert visit.page.query_selector_all("[data-testid=stException]") == [], visit.text()
            assert "http://192.0.2.1" not in str(visit.page.evaluate(SOURCES)), page
        assert dialogs == [] and visit.errors == []
    finally:
        visit.close()


SOURCES = "() => [...document.querySelectorAll('[src]')].map(e => e.src).join(' ')"
"""What the page loads by itself; a link is followed by whoever clicks it."""


@pytest.mark.thorough
def test_a_hostile_report_runs_nothing_and_asks_nobody(chromium: Any, tmp_path: Path) -> None:
    from workbench.catalog import load_catalog
    from workbench.show.report import write_report
    from workbench.views.runs import run_summary

    hostile_run(tmp_path / "profiles")
    file = write_report(run_summary("hostile", tmp_path / "profiles"), load_catalog(), tmp_path / "report.html")
    page = chromium.new_page()
    noticed: list[str] = []
    page.on("dialog", lambda dialog: (noticed.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.on("request", lambda r: noticed.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    page.goto(file.as_uri())
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_selector(".picture svg.main-svg", state="attached")
    assert page.locator("img").count() == 0 and noticed == []
    page.close()
