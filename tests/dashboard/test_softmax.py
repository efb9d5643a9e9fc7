"""An operation of somebody's own, with axes of its own, swept and then looked at on every page and in the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.dashboard.conftest import ROOT, Server
from tests.dashboard.visit import PAGES, Visit
from workbench.catalog import load_catalog
from workbench.show.report import write_report
from workbench.views.runs import run_summary

pytestmark = pytest.mark.browser

SOFTMAX = ROOT / "examples" / "softmax"


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("softmax") / "profiles"
    done = warm.run(
        "sweep", "--kernels", str(SOFTMAX), "--device", "cpu", "--rows", "32,128", "--columns", "64:1024:x4",
        "--preset", "small", "--name", "softmax", "--profiles", str(folder), folder=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def server(serve: Callable[..., Server], profiles: Path) -> Server:
    return serve(profiles, SOFTMAX)


@pytest.fixture
def visit(chromium: Any, server: Server) -> Iterator[Visit]:
    visit = Visit(chromium, server.url)
    yield visit
    visit.close()


@pytest.mark.thorough
def test_every_page_of_it(visit: Visit) -> None:
    visit.open("Ladder")
    for page in PAGES:
        visit.go(page)
        visit.sound()
        assert "operation=softmax" in visit.page.url, page
    visit.go("Ladder")
    assert "built_shape" not in visit.page.url, "the small shape that was compiled alone is Occupancy's own"
    shape = visit.page.locator("[data-testid=stSelectbox]", has_text="Shape").locator("input").input_value()
    # Which shape stands first hangs on which of them had a time: a machine busy with others makes some implausible.
    assert re.fullmatch("rows=(32|128) columns=(64|256|1024) float32", shape), shape


@pytest.mark.thorough
def test_a_run_explains_itself_without_its_folder(chromium: Any, serve: Callable[..., Server], profiles: Path) -> None:
    visit = Visit(chromium, serve(profiles, None).url)
    visit.open("Ladder")
    for page in ("Ladder", "Scaling", "Time", "Kernel"):
        visit.go(page)
        visit.sound()
        assert "operation=softmax" in visit.page.url, page
    visit.close()


@pytest.mark.thorough
def test_its_curves_its_map_and_its_filter(visit: Visit) -> None:
    visit.open("Scaling")
    assert "along=columns" in visit.page.url and "across=rows" in visit.page.url and "down=columns" in visit.page.url
    assert "eager" in visit.page.inner_text("[data-testid=stPlotlyChart] >> nth=0")
    assert "columns" in visit.page.inner_text("[data-testid=stPlotlyChart] >> nth=0")
    assert "rows" in visit.page.inner_text("[data-testid=stPlotlyChart] >> nth=1")
    assert "Fitted exponent" in visit.text() and "A fit needs three sizes" not in visit.text()
    visit.open("Scaling", **{"size.rows": "32", "along": "columns"})
    assert "rows=128" not in visit.text()
    visit.open("Bandwidth", along="rows")
    assert "along=rows" in visit.page.url
    visit.sound()


def test_its_report_has_its_curves(profiles: Path, tmp_path: Path) -> None:
    text = write_report(run_summary("softmax", profiles), load_catalog(SOFTMAX), tmp_path / "r.html").read_text()
    assert re.search("Time against columns, rows=(32|128)<", text)
    assert re.search("Time against rows, columns=(64|256|1024)<", text)
