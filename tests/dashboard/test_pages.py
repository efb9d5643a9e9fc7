"""The pages' logic without a browser: what they show, and what they say is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.folders import PROFILES
from dashboard.pages import found
from tests import warm
from tests.dashboard.app import ROOT, new_app
from tests.dashboard.synthetic import CPU, synthetic_run
from tests.dashboard.visit import PAGES
from tests.distributed.traced import recorded
from tests.tasks.made import made_training
from tests.views.test_history import history
from workbench.store.notes import Notes, write_notes


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    synthetic_run(folder, "gpu", counters=True, lengths=(256, 1024))
    synthetic_run(folder, "bare", lengths=(256,), created="2026-01-02T00:00:00Z", noise_floor=None)
    synthetic_run(folder, "cpu", CPU, lengths=(256, 1024), created="2026-01-03T00:00:00Z")
    return folder


def app(profiles: Path, monkeypatch: pytest.MonkeyPatch, **parameters: str) -> AppTest:
    monkeypatch.setenv(PROFILES, str(profiles))
    test = new_app(**parameters).run()
    assert not test.exception, test.exception
    return test


def said(test: AppTest) -> str:
    return "\n".join(element.value for element in (*test.info, *test.warning, *test.markdown, *test.subheader))


def everything(test: AppTest) -> str:
    return "\n".join(
        str(element.value) for element in (*test.info, *test.warning, *test.error, *test.markdown, *test.code)
    )


@pytest.mark.parametrize("page", PAGES)
def test_pages_draw_on_no_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = app(tmp_path, monkeypatch, page=page)
    assert test.subheader, page
    if page not in ("Kernel", "Import"):
        command = {"Distributed": "workbench train", "Tasks": "examples.tasks"}.get(page, "workbench sweep")
        assert command in everything(test)


def test_pages_of_an_unfinished_run_beside_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic_run(tmp_path, "going", finished=False, lengths=(256,), noise_floor=None)
    synthetic_run(tmp_path, "broken", lengths=(256,))
    (tmp_path / "broken" / "run.json").write_text("{")
    test = app(tmp_path, monkeypatch, run="going")
    for page in PAGES:
        test.segmented_control(key="page").set_value(page).run()
        assert not test.exception, page
        if page not in ("Kernel", "Compare", "Import", "Distributed", "Tasks"):
            assert "workbench sweep --resume going" in everything(test), page
            assert "broken" in everything(test), page


def test_the_newest_run_is_shown_first(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert app(profiles, monkeypatch).multiselect(key="run").value == ["cpu"]


def test_the_first_page_s_pictures_say_what_they_are_of(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = app(profiles, monkeypatch, run="gpu")
    drawn = [element.proto.body for element in test.get("html") if "class='dots'" in element.proto.body]
    assert len(drawn) >= 2
    for body in drawn:
        line = body.partition("</div>")[0]
        assert all(word in line for word in ("gpu", "scan", "T=1024", "float32")), line


def test_the_filter_comes_from_the_url_and_goes_back_to_it(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = app(profiles, monkeypatch, run="gpu", operation="gate", dtype="bfloat16", variant="batched")
    assert test.selectbox(key="operation").value == "gate"
    assert test.multiselect(key="variant").value == ["batched"]
    test.selectbox(key="operation").set_value("projection").run()
    assert not test.exception
    assert test.query_params["operation"] in ("projection", ["projection"])
    assert test.query_params["variant"] in ("batched", ["batched"])


def test_what_is_switched_on_stands_in_the_url_and_comes_from_it(
    profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = app(profiles, monkeypatch, run="gpu")
    assert not test.toggle(key="modelled").value and "modelled" not in test.query_params
    test.toggle(key="modelled").set_value(True).run()
    assert test.query_params["modelled"] in ("True", ["True"])
    assert test.selectbox(key="device").value
    sent = app(profiles, monkeypatch, run="gpu", modelled="True", device="h100")
    assert sent.toggle(key="modelled").value and sent.selectbox(key="device").value == "h100"
    sent.toggle(key="modelled").set_value(False).run()
    assert "modelled" not in sent.query_params


def test_a_url_that_names_nothing_known_is_passed_over(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = app(profiles, monkeypatch, page="Nowhere", run="gone", operation="none", T="what", shape="{")
    assert test.segmented_control(key="page").value == "Ladder"


@pytest.mark.parametrize(
    ("run", "dtype"), [("gpu", "bfloat16"), pytest.param("cpu", "float32", marks=pytest.mark.thorough)]
)
def test_a_view_survives_a_change_of_page(
    run: str, dtype: str, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = app(profiles, monkeypatch, run=run, operation="layer", dtype=dtype)
    for page in PAGES:
        test.segmented_control(key="page").set_value(page).run()
        assert not test.exception, page
        assert test.selectbox(key="operation").value == "layer"
        assert test.selectbox(key="dtype").value == dtype


def test_nothing_passes_the_filter(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for page in ("Ladder", "Occupancy", "Bandwidth", "Scaling", "Time"):
        test = app(profiles, monkeypatch, page=page, run="gpu", operation="gate", variant="ring")
        assert "passes the filter" in said(test), page


@pytest.mark.parametrize(
    ("page", "run", "words"),
    [
        ("Occupancy", "bare", "workbench profile bare"),
        ("Bandwidth", "bare", "workbench profile bare"),
        ("Time", "bare", "workbench profile bare"),
        ("Scaling", "bare", "--T 256:16384:x2"),
        ("Compare", "bare", "no noise (A/A) recorded"),
        ("Time", "gpu", "NVIDIA's rules"),
    ],
)
def test_pages_say_what_is_missing(
    page: str, run: str, words: str, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = app(profiles, monkeypatch, page=page, run=run, a="gpu", b="bare")
    assert words in said(test)


def test_the_ladder_s_table_is_ordered_as_asked(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def medians(**parameters: str) -> list[float]:
        test = app(profiles, monkeypatch, run="gpu", operation="scan", **parameters)
        (table, *_) = [e.proto.body for e in test.get("html") if "<table>" in e.proto.body]
        heads = re.findall(r"<th[^>]*>(.*?)</th>", table)
        place = next(i for i, head in enumerate(heads) if head.startswith("time"))
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("<tr>")[2:]]
        return [float(row[place].replace(",", "")) for row in rows]

    by_rung, by_time = medians(), medians(order="time")
    assert by_time == sorted(by_rung) != by_rung


def test_a_training_is_shown_with_who_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path / "training")
    test = app(tmp_path, monkeypatch, page="Distributed")
    assert test.selectbox(key="training").value == "training"
    shares, arrivals, links, carries, strong, weak = (table.value for table in test.dataframe)
    assert shares["exposed"].tolist() == pytest.approx([75, 25])
    assert arrivals["last"].tolist() == [0, 2] and arrivals["late_s"].tolist()[1] == pytest.approx(1.0)
    assert links["alpha_s"].tolist() == pytest.approx([100] * 3)
    assert set(carries["carry"]) == {"gather", "chain"} and strong["ranks"].max() == weak["ranks"].max() == 1024
    text = said(test) + " ".join(caption.value for caption in test.caption)
    for words in ("share one machine", "Modelled on a simulated cluster", "Does not fit: data on 32 ranks and more"):
        assert words in text.replace("\\", "")
    (tmp_path / "training" / "trace-1.json").write_text("{")
    test = app(tmp_path, monkeypatch, page="Distributed")
    assert "trace-1.json: corrupt, not a Chrome trace" in test.error[0].value.replace("\\", "")


def test_trainings_of_tasks_are_shown_task_by_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_training(tmp_path / "tasks", "sums", (0.2, 0.3, 0.4))
    made_training(tmp_path / "tasks", "words", (0.5,))
    test = app(tmp_path, monkeypatch, page="Tasks")
    assert test.selectbox(key="task").value == "sums"
    assert "1 is trivial (always 0), 0.35 is wanted" in said(test).replace("\\", "")
    trainings, gains = (table.value for table in test.dataframe)
    assert trainings["quality"].tolist() == ["0.3"] and trainings["range"].tolist() == ["0.2 – 0.4"]
    assert trainings["learned"].tolist() == [False] and gains["most_gain"].tolist() == [2.0]
    titles = [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in test.get("plotly_chart")]
    assert len(titles) == 2 and all("sums" in title and "scan" not in title for title in titles), titles
    test.selectbox(key="task").set_value("words").run()
    assert test.dataframe[0].value["quality"].tolist() == ["0.5"]
    (tmp_path / "tasks" / "task-words-middle-0.jsonl").write_text("{")
    test = app(tmp_path, monkeypatch, page="Tasks")
    assert "corrupt, not the lines of a training" in test.error[0].value.replace("\\", "")


def test_occupancy_sliders_move_the_answer(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin with the kernel that stands first above, and go to another where that is chosen."""
    test = app(profiles, monkeypatch, page="Occupancy", run="gpu")
    kernels = test.selectbox(key="what_if_kernel").options
    table = test.dataframe[0].value
    first = test.slider(key="what_if_registers").value
    assert kernels[0].startswith(table["variant"].iloc[0]) and first == table["registers"].iloc[0]
    test.selectbox(key="what_if_kernel").set_value(kernels[-1]).run()
    assert test.slider(key="what_if_registers").value == 32
    assert test.metric[0].value == "100 %" and "blocks per SM, nothing limits it" in said(test)
    test.slider(key="what_if_registers").set_value(128).run()
    assert test.metric[0].value == "25 %"
    assert "limited by **registers**" in said(test)
    test.selectbox(key="what_if_kernel").set_value(kernels[0]).run()
    assert test.slider(key="what_if_registers").value == first


def test_compare_finds_the_slower_run(profiles: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    synthetic_run(tmp_path, "old", lengths=(1024,))
    synthetic_run(tmp_path, "new", lengths=(1024,), seed=5, slowdown=1.1, created="2026-01-02T00:00:00Z")
    text = said(app(tmp_path, monkeypatch, page="Compare"))
    assert "10 pairs: 10 slower" in text
    text = said(
        app(tmp_path, monkeypatch, page="Compare", compare="two variants", variant_a="serial", variant_b="ring")
    )
    assert "1 pair: 1 faster" in text


def test_history_shows_the_step_and_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history(tmp_path, [1.0] * 6 + [1.1] * 4, compiler="13")
    text = said(app(tmp_path, monkeypatch, page="History")).replace("\\", "")
    assert "10 runs on 1 host: 1 step found" in text and "compiler 12 → 13" in text


def test_runs_are_found_by_their_words_and_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history(tmp_path, [1.0, 1.1])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    write_notes(tmp_path / "alpha-01", Notes("with the *old* driver", ("driver-535", "kept")))
    test = app(tmp_path, monkeypatch, page="Runs")
    table = test.dataframe[0].value
    assert table["run"].tolist() == ["alpha-02", "alpha-01", "broken"]
    assert table["tags"].tolist()[1] == "driver-535, kept" and table["noise_floor"].tolist()[:2] == [1.0, 1.0]
    assert "run.json" in table["note"].tolist()[2]
    assert test.text_input(key="runs_text").set_value("OLD alpha").run().dataframe[0].value["run"].tolist() == [
        "alpha-01"
    ]
    test = app(tmp_path, monkeypatch, page="Runs", tag="kept")
    assert test.dataframe[0].value["run"].tolist() == ["alpha-01"]


def test_kernel_page_shows_source_and_machine_code(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = app(profiles, monkeypatch, page="Kernel", run="gpu", kernel_scan="serial", archs="sm_90")
    code = [block.value for block in test.code]
    assert any("scan_serial(" in block.body for block in test.get("html"))
    assert any("FFMA" in block for block in code)


def test_kernel_page_marks_the_chosen_line_and_lays_another_rung_beside(
    profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"page": "Kernel", "run": "gpu", "kernel_scan": "serial", "archs": "sm_90"}
    test = app(profiles, monkeypatch, **words, line="23", beside_scan="prefetch")
    drawn = [block.body for block in test.get("html")]
    (source,) = [text for text in drawn if 'code-line chosen"' in text]
    assert source.count("chosen") == 1 and 'chosen" data-line="23"' in source and "scan_serial(" in source
    (scrolls,) = [text for text in drawn if "scrollTop" in text]
    assert '[data-line="23"]' in scrolls
    (pair,) = [text for text in drawn if 'class="code-pair' in text]
    assert "50_serial.cu · scan/serial" in pair and "54_prefetch.cu · scan/prefetch" in pair and "differs" in pair
    assert any("shared memory, bytes" in text and "scan/prefetch" in text for text in drawn)
    test = app(profiles, monkeypatch, **words, beside_scan="prefetch", beside_by="SASS")
    (pair,) = [text for text in (block.body for block in test.get("html")) if 'class="code-pair' in text]
    assert "FFMA" in pair and "scan_serial_prefetch" in pair
    test = app(profiles, monkeypatch, **words, line="999999", beside_scan="nothing")
    assert not any("scrollTop" in b.body or 'class="code-pair' in b.body for b in test.get("html"))


def test_every_page_has_the_glossary_and_so_has_help(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = app(profiles, monkeypatch, run="bare", operation="scan")
    for page in PAGES:
        test.segmented_control(key="page").set_value(page).run()
        assert "**noise (A/A)**: the baseline timed against itself" in said(test), page
    for command in ([], ["sweep"], ["compare"]):
        assert "docs/glossary.md" in warm.run(*command, "--help", folder=ROOT).stdout


def test_a_page_is_found_by_its_file(tmp_path: Path) -> None:
    assert tuple(found(ROOT / "dashboard" / "pages")) == PAGES
    for name in ("10_roof_line.py", "09_history.py", "__init__.py", "notes.py"):
        (tmp_path / name).touch()
    assert found(tmp_path) == {"History": "09_history", "Roof line": "10_roof_line"}


def test_every_page_is_short() -> None:
    for file in (ROOT / "dashboard" / "pages").glob("*.py"):
        assert len(file.read_text().splitlines()) < 150, file.name
