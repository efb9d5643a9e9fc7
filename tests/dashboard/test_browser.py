"""The dashboard in a real browser: every page, a filter, an import, a shared URL, a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.conftest import Server
from tests.dashboard.synthetic import CPU, GPU, synthetic_run
from tests.dashboard.visit import PAGES, Visit
from tests.profile.own_report import Made, report
from tests.profile.test_read import V100, needs_v100

pytestmark = pytest.mark.browser

CSV = """==PROF== Connected to process 1
"ID","Kernel Name","Device","CC","gpu__time_duration.sum","launch__registers_per_thread","dram__bytes_read.sum"
"","","","","ns","register/thread","byte"
"0","scan_kernel(float *, int)","Test GPU","9.0","12,345","32","1,048,576"
"1","scan_kernel(float *, int)","Test GPU","9.0","12,400","32","1,048,576"
"""


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "profiles"
    folder.mkdir()
    sizes = {"lengths": (256, 1024, 4096), "widths": (256, 1024), "dtypes": ("bfloat16",)}
    synthetic_run(folder, "gpu", counters=True, **sizes)
    synthetic_run(folder, "gpu-again", slowdown=1.05, seed=1, lengths=(1024,), created="2026-01-02T00:00:00Z")
    only = {"lengths": (256, 1024), "dtypes": ("float32",)}
    synthetic_run(folder, "cpu", CPU, created="2026-01-03T00:00:00Z", **only)
    return folder


@pytest.fixture
def server(serve: Callable[[Path], Server], profiles: Path) -> Server:
    return serve(profiles)


@pytest.fixture
def visit(chromium: Any, server: Server) -> Iterator[Visit]:
    visit = Visit(chromium, server.url)
    yield visit
    visit.close()


@pytest.mark.parametrize(("width", "theme"), [(800, "dark"), pytest.param(1400, "light", marks=pytest.mark.thorough)])
def test_every_page_of_a_run(chromium: Any, server: Server, width: int, theme: str) -> None:
    """Narrow, where a page is first too wide; other tests look at wide and light ones."""
    visit = Visit(chromium, server.url, width, theme)
    visit.open("Ladder", run="gpu")
    for page in PAGES:
        visit.go(page)
        visit.sound()
    visit.close()


@pytest.mark.thorough
def test_narrow_and_dark(chromium: Any, server: Server) -> None:
    """Pages of each kind, of a CPU's run: points and tables, curves, source text, comparisons."""
    visit = Visit(chromium, server.url, 800, "dark")
    visit.open("Ladder", run="cpu")
    for page in ("Ladder", "Scaling", "Kernel", "Compare"):
        visit.go(page)
        visit.sound()
    visit.close()


def test_a_filter_changes_the_page_and_the_url(visit: Visit) -> None:
    visit.open("Ladder", run="gpu")
    assert "scan" in visit.page.url
    visit.page.locator("[data-testid=stSelectbox]", has_text="Operation").locator("input").click()
    visit.page.get_by_role("option", name="layer").click()
    visit.page.wait_for_url("**operation=layer**")
    visit.drawn()
    assert "source_final" in visit.page.inner_text(".dots >> nth=0")
    visit.sound()


@pytest.mark.thorough
def test_a_source_line_is_scrolled_to_and_stands_in_the_url(visit: Visit) -> None:
    words = {"run": "cpu", "operation": "scan", "kernel_scan": "look_back_free", "archs": "sm_90"}
    visit.open("Kernel", **words, beside_scan="look_back_ring")
    box = visit.page.locator(".code", has=visit.page.locator("[data-line]"))
    assert box.evaluate("box => box.scrollTop") == 0
    visit.page.locator("[data-testid=stSelectbox]", has_text="Machine code of").locator("input").click()
    chosen = visit.page.get_by_role("option").filter(has_text="line ").last
    number = chosen.inner_text().split(":")[0].removeprefix("line ")
    chosen.click()
    visit.page.wait_for_url(f"**line={number}*")
    visit.drawn()
    seen = """number => { const line = document.querySelector(`.code [data-line="${number}"].chosen`);
      if (!line) return false;
      const box = line.closest('.code').getBoundingClientRect(), own = line.getBoundingClientRect();
      return own.top >= box.top && own.bottom <= box.bottom; }"""
    visit.page.wait_for_function(seen, arg=number, timeout=20_000)
    assert box.evaluate("box => box.scrollTop") > 0
    visit.sound_at(1400, 390)
    visit.open("Kernel", **words, line=number)  # whoever gets the link sees the same line
    visit.page.wait_for_function(seen, arg=number, timeout=20_000)
    assert visit.page.locator(".code-pair").count() == 0
    visit.sound()


@pytest.mark.thorough
def test_a_shared_url_shows_the_same_view(visit: Visit) -> None:
    visit.open("Scaling", run="gpu", operation="scan", dtype="bfloat16", variant="ring")
    legend = visit.page.inner_text("[data-testid=stPlotlyChart] >> nth=0")
    assert "ring" in legend
    assert "blelloch" not in legend
    assert "dtype=bfloat16" in visit.page.url
    visit.sound()


@pytest.mark.thorough
def test_the_filter_follows_to_another_page(visit: Visit) -> None:
    visit.open("Ladder", run="gpu", operation="gate")
    visit.go("Bandwidth")
    picture = visit.page.inner_text("[data-testid=stPlotlyChart] >> nth=0")
    assert "gate/fused_shared" in picture and "gpu · synthetic H200 · gate" in picture, "it says what it shows"
    for way, page in ((visit.page.go_back, "Ladder"), (visit.page.go_forward, "Bandwidth")):
        way()
        visit.page.get_by_role("heading", name=page).wait_for()
        visit.drawn()
        assert f"page={page}" in visit.page.url and "operation=gate" in visit.page.url
        visit.page.wait_for_function("page => document.title.startsWith(page)", arg=page, timeout=5000)
    visit.sound()


def upload(visit: Visit, name: str, content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    visit.page.set_input_files(
        "[data-testid=stFileUploaderDropzoneInput]", {"name": name, "mimeType": "", "buffer": data}
    )
    visit.page.wait_for_selector("[data-testid=stAlert] >> nth=0")
    visit.page.wait_for_function(
        "() => /in run|Nothing was stored/.test(document.querySelector('[data-testid=stMain]').innerText)"
    )
    visit.drawn()
    return visit.text()


def test_import_shows_a_report_at_once(chromium: Any, serve: Callable[[Path], Server], tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    visit = Visit(chromium, serve(profiles).url)
    visit.open("Import")
    assert "2 launches of 1 records" in upload(visit, "report.csv", CSV)
    assert [folder.name for folder in profiles.iterdir()] == ["imported-report"]
    visit.page.get_by_role("button", name="Its occupancy").click()
    visit.page.wait_for_url("**page=Occupancy**")
    visit.drawn()
    visit.sound()
    visit.go("Kernel")
    visit.sound()
    visit.close()


@pytest.mark.thorough
def test_a_report_of_our_own_shows_where_its_time_goes(
    chromium: Any, serve: Callable[[Path], Server], tmp_path: Path
) -> None:
    made = [
        Made("gemm", f"void gemm<{kind}>(float *)", grid=(grid, 1, 1), metrics={
            "gpu__time_duration.sum": time, "launch__grid_size": float(grid), "launch__block_size": 32.0,
        })
        for kind, grid, time in (("float", 4, 3e6), ("__half", 8, 1e6))
    ]  # fmt: skip
    visit = Visit(chromium, serve(tmp_path / "profiles").url)
    visit.open("Import")
    assert "2 launches of 2 records" in upload(visit, "made.ncu-rep", report(made))
    visit.page.get_by_role("button", name="Open the report").click()
    visit.page.wait_for_url("**page=Report**")
    visit.drawn()
    text = visit.page.locator("[data-testid=stPlotlyChart]").first.inner_text()
    assert "75.0 %" in text and "25.0 %" in text and "gemm<float>" in text and "gemm<__half>" in text
    visit.sound()
    visit.page.goto(visit.url)  # of what was just imported a visit sees its own page first
    visit.drawn()
    assert "page=Report" in visit.page.url
    for page in ("Kernel", "Bandwidth", "Occupancy"):
        visit.go(page)
        visit.sound()
    visit.close()


@needs_v100
def test_import_takes_a_report_by_its_own_name(chromium: Any, serve: Callable[[Path], Server], tmp_path: Path) -> None:
    """The browser's side must let .ncu-rep through; the same file twice is said to be there."""
    visit = Visit(chromium, serve(tmp_path / "profiles").url)
    visit.open("Import")
    assert "5 launches of 5 records" in upload(visit, V100.name, V100.read_bytes())
    visit.sound()
    visit.open("Import")
    assert "is there already" in upload(visit, V100.name, V100.read_bytes())
    visit.close()


def test_a_broken_report_says_so_and_stores_nothing(
    chromium: Any, serve: Callable[[Path], Server], tmp_path: Path
) -> None:
    profiles = tmp_path / "profiles"
    visit = Visit(chromium, serve(profiles).url)
    visit.open("Import")
    text = upload(visit, "broken.csv", "this is no report\n")
    assert "broken.csv" in text
    assert "Nothing was stored" in text
    assert not profiles.exists() or list(profiles.iterdir()) == []
    visit.sound()
    visit.close()


@pytest.mark.thorough
def test_broken_unfinished_and_bare_runs(chromium: Any, serve: Callable[[Path], Server], tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    synthetic_run(profiles, "going", finished=False, lengths=(256,), noise_floor=None)
    synthetic_run(profiles, "broken", lengths=(256,))
    (profiles / "broken" / "run.json").write_text("{")
    cut = synthetic_run(profiles, "cut", lengths=(256,), created="2026-01-02T00:00:00Z")
    parquet = cut.path / "records.parquet"
    parquet.write_bytes(parquet.read_bytes()[:500])
    visit = Visit(chromium, serve(profiles).url)
    visit.open("Ladder", run="going")
    for page in ("Ladder", "Time"):
        visit.go(page)
        visit.sound()
        assert "workbench sweep --resume going" in visit.text(), page
        assert "broken" in visit.text(), page
    visit.open("Ladder", run="cut")
    assert "cut/records.parquet: corrupt" in visit.text()
    visit.sound()
    visit.close()


ON_PAPER = {"width": 1032, "height": 703}
"""A sheet of A4 in landscape within margins of 12 mm, at 96 to the inch."""


@pytest.mark.parametrize("run", ["gpu", pytest.param("cpu", marks=pytest.mark.thorough)])
def test_report_opens_with_no_network(chromium: Any, tmp_path: Path, run: str) -> None:
    from workbench.catalog import load_catalog
    from workbench.show.report import write_report
    from workbench.views.runs import run_summary

    alone = tmp_path / "profiles"
    device, dtype = (CPU, "float32") if run == "cpu" else (GPU, "bfloat16")
    synthetic_run(alone, run, device, counters=run == "gpu", lengths=(256, 1024), dtypes=(dtype,))
    file = write_report(run_summary(run, alone), load_catalog(), tmp_path / "report.html")
    context = chromium.new_context(offline=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda r: errors.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    page.goto(file.as_uri())
    assert page.locator(".dots").count() > 5
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")  # draws what is not in view yet
    page.wait_for_selector(".picture svg.main-svg", state="attached")
    heights = page.locator(".picture svg.main-svg").evaluate_all("all => all.map(one => one.clientHeight)")
    assert heights and max(heights) < ON_PAPER["height"], "a picture goes over two sheets"
    assert page.locator(".picture:not(:has(svg.main-svg))").count() == 0, "every picture is drawn"
    assert page.locator(".picture").count() > 5
    page.emulate_media(media="print")
    page.set_viewport_size(ON_PAPER)
    assert page.evaluate("document.documentElement.scrollWidth") <= ON_PAPER["width"], "a table is cut off on paper"
    tallest = page.locator(".plain th, .plain td:not(.long)").evaluate_all(
        "all => Math.max(...all.map(cell => cell.offsetHeight))"
    )
    assert tallest < 150, "words are broken letter by letter"
    assert errors == []
    context.close()
