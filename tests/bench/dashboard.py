"""How long the dashboard lets one wait, in a real browser, over many made-up records.

From the request to the last picture drawn, in a browser that has nothing of the app yet; and from the choice of
another operation to the last picture redrawn. Records are synthetic, in a temporary folder.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.figure import Figure
from tests.dashboard.conftest import ARGUMENTS, CHROMIUM, Server
from tests.dashboard.synthetic import many_runs
from tests.dashboard.visit import DRAWN, Visit

RUNS = 200
SIZES = ((500, 2.0, 0.5, "100,000 records"), (5000, 5.0, None, "1,000,000 records"))
"""Records a run, the seconds within which the first page and a filter change are promised, and the total in words."""
OPERATIONS = ("layer", "gate", "projection", "scan", "gated_scan", "scan", "layer", "scan")


def measure() -> Iterator[Figure]:
    if not CHROMIUM.is_file():
        raise SystemExit(f"no {CHROMIUM} to measure with: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        for records, first, change, words in SIZES:
            with tempfile.TemporaryDirectory(prefix="workbench-bench-") as folder:
                yield from _one(browser, Path(folder) / "profiles", records, first, change, words)
        browser.close()


def _one(
    browser: Any, profiles: Path, records: int, promised: float, change: float | None, words: str
) -> Iterator[Figure]:
    many_runs(profiles, RUNS, records)
    server = Server(profiles)
    try:
        server.wait()
        first = _open(browser, server)
        yield Figure(f"dashboard, {words}: first page", first[0], "s", promised)
        again = _open(browser, server)
        yield Figure(f"dashboard, {words}: a second visitor's first page", again[0], "s", promised)
        changes = [_change(again[1], operation) for operation in OPERATIONS]
        yield Figure(f"dashboard, {words}: filter change, median", statistics.median(changes), "s", change)
        yield Figure(f"dashboard, {words}: filter change, slowest", max(changes), "s", None)
        for visit in (first[1], again[1]):
            visit.close()
    finally:
        server.stop()


def _open(browser: Any, server: Server) -> tuple[float, Visit]:
    visit = Visit(browser, server.url, fresh=True)
    start = time.perf_counter()
    visit.page.goto(server.url, wait_until="commit")
    visit.page.wait_for_function(DRAWN, polling="raf", timeout=120_000)
    return time.perf_counter() - start, visit


def _change(visit: Visit, operation: str) -> float:
    """From the click on the option until every picture is the new operation's."""
    page = visit.page
    page.locator("[data-testid=stSelectbox]", has_text="Operation").locator("input").click()
    option = page.get_by_role("option", name=operation, exact=True)
    option.wait_for()
    before = page.inner_html(".dots >> nth=0")
    start = time.perf_counter()
    option.click()
    page.wait_for_function(
        f"(before) => location.search.includes('operation={operation}') && ({DRAWN})() && "
        "document.querySelector('.dots').innerHTML !== before",
        arg=before,
        polling="raf",
        timeout=120_000,
    )
    return time.perf_counter() - start
