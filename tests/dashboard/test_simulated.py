"""What machine code did, on the pages, in the real browser: every figure says that it is simulated or modelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.conftest import Server
from tests.dashboard.visit import Visit
from tests.store.test_run_folder import record, run
from tests.store.test_simulated import counted
from workbench.store.new_run import create_run

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, pytest.param(1400, marks=pytest.mark.thorough)])
def test_the_pages_show_it_and_say_what_it_is(
    chromium: Any, serve: Callable[[Path], Server], tmp_path: Path, width: int
) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    folder = create_run(profiles, run())
    for one in (counted(0), counted(2).model_copy(update={"variant": "vector", "key": "scan.vector"}), record(1)):
        folder.append(one)
    folder.finish()
    visit = Visit(chromium, serve(profiles).url, width)
    visit.open("Ladder", run="r", operation="scan")
    text = visit.text()
    for words in ("machine code executed on the host", "touches 120 at least (simulated)", "Modelled GPU",
                  "bytes B · simulated", "floor of counted resources", "Nothing here was measured"):  # fmt: skip
        assert words in text, words
    visit.sound()
    for page, words in (
        ("Occupancy", "Simulated launches"),
        ("Bandwidth", "Simulated: bytes that machine code moves"),
        ("Time", "Simulated: what each resource needs alone"),
        ("Compare", "Simulated: what machine code does, side by side"),
    ):
        visit.go(page)
        assert words in visit.text(), page
        visit.sound()
    visit.open("Kernel", run="r", operation="scan", kernel_scan="serial")
    assert "what each line of scan/serial in r did" in visit.text().replace("\n", " ")
    for by in ("PTX", "SASS", "counter", "source line"):
        visit.page.get_by_text(by, exact=True).first.click()
        visit.drawn()
        visit.sound()
    visit.close()
