"""What machine code did, on the pages: every figure says that it is simulated or modelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboard.folders import PROFILES
from tests.dashboard.app import new_app
from tests.dashboard.conftest import Server
from tests.dashboard.visit import Visit
from tests.store.test_run_folder import record, run
from tests.store.test_simulated import counted
from workbench.store.new_run import create_run

WORDS = {
    "Ladder": (
        "machine code executed on the host", "touches 120 at least (simulated)", "Modelled GPU", "bytes B · simulated",
        "floor of counted resources", "Nothing here was measured",
    ),
    "Occupancy": ("Simulated launches",),
    "Bandwidth": ("Simulated: bytes that machine code moves",),
    "Time": ("Simulated: what each resource needs alone",),
    "Compare": ("Simulated: what machine code does, side by side",),
}  # fmt: skip
KERNEL = "what each line of scan/serial in r did"
LINES_OF = ("PTX", "SASS", "counter", "source line")


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    folder = tmp_path / "profiles"
    folder.mkdir()
    made = create_run(folder, run())
    for one in (counted(0), counted(2).model_copy(update={"variant": "vector", "key": "scan.vector"}), record(1)):
        made.append(one)
    made.finish()
    return folder


def test_the_pages_say_what_it_is(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROFILES, str(profiles))
    test = new_app(run="r", operation="scan", kernel_scan="serial").run()
    for page, words in (*WORDS.items(), ("Kernel", (KERNEL,))):
        test.segmented_control(key="page").set_value(page).run()
        assert not test.exception, page
        drawn = [element.proto.body for element in test.get("html")]
        said = [element.value for element in (*test.info, *test.markdown, *test.caption)]
        text = "\n".join((*drawn, *said, *(widget.label for widget in test.selectbox)))
        assert [word for word in words if word not in text.replace("\\", "").replace("<wbr>", "")] == [], page


@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "pages", "lines_of"),
    [
        (390, ("Ladder",), ("SASS",)),
        pytest.param(390, tuple(WORDS), LINES_OF, marks=pytest.mark.thorough),
        pytest.param(1400, tuple(WORDS), LINES_OF, marks=pytest.mark.thorough),
    ],
)
def test_the_browser_shows_it(
    chromium: Any,
    serve: Callable[[Path], Server],
    profiles: Path,
    width: int,
    pages: tuple[str, ...],
    lines_of: tuple[str, ...],
) -> None:
    visit = Visit(chromium, serve(profiles).url, width)
    visit.open(pages[0], run="r", operation="scan", kernel_scan="serial")
    for page in (*pages, "Kernel"):
        visit.go(page)
        text = visit.text().replace("\n", " ")
        for words in WORDS.get(page, (KERNEL,)):
            assert words in text, words
        visit.sound()
    for by in lines_of:
        visit.page.get_by_text(by, exact=True).first.click()
        visit.drawn()
        visit.sound()
    visit.close()
