"""Published experiments: what their files hold, and our figures beside the published ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.views.build_records import timed
from workbench.catalog import load_catalog
from workbench.experiments import Experiment, Point, experiment_files, load_experiment, load_experiments
from workbench.problem import Problem
from workbench.show.experiment import cells, crossing_text, pieces
from workbench.store.record import Status, Work
from workbench.sweep.reproduce import selection_for
from workbench.sweep.selection import Selection, cases_of
from workbench.views.experiments import compare_experiment, compared
from workbench.views.flat import frame_of
from workbench.views.runs import run_summary

ROOT = Path(__file__).parents[2]
SLOW, FAST = "scan/eager", "scan/simd"


def made(**more: object) -> Experiment:
    """Two series, their ratio and where they cross; published at one size."""
    point = {"at": {"T": 128}, "value": 6e-3}
    given: dict[str, object] = {
        "name": "own", "title": "own", "source": "a paper", "device": "a GPU", "date": "2017",
        "sweeps": [{"name": "all", "operations": ["scan"]}],
        "series": [
            {"name": "slow", "variants": [SLOW], "points": [point]},
            {"name": "fast", "variants": [FAST, "scan/streaming"], "points": [{**point, "value": 2e-3}]},
        ],
        "ratios": [{"name": "slow ÷ fast", "over": "slow", "under": "fast"}],
        "crossings": [{"first": "slow", "second": "fast", "axis": "T"}],
    }  # fmt: skip
    return Experiment.model_validate({**given, **more})


def sized(variant: str, T: int, seconds: float, **fields: object) -> object:
    shape = {"B": 1, "T": T, "H": 8, "dtype": "float32"}
    return timed(variant, seconds, noise=0.0, shape=shape, key=f"scan.{variant}.{T}", **fields)


@pytest.mark.parametrize("name", experiment_files())
def test_each_experiment_can_be_run_and_its_published_sizes_are_swept(name: str) -> None:
    experiment, catalog = load_experiment(name), load_catalog()
    for series in experiment.series:
        for key in series.variants:
            catalog.variant(key)
    for quick in (False, True):
        cases = []
        for sweep in experiment.sweeps:
            if sweep.is_growth:
                assert catalog.operation(sweep.operations[0]).growth
                continue
            cases += cases_of(selection_for(sweep, quick, Selection()), catalog)
        for series in experiment.series if cases else ():
            own = [c for c in cases if any(v.key in series.variants for v in c.variants)]
            sizes = [c.shape.as_dict() for c in own]
            wanted = [series.at, *({**series.at, **point.at} for point in series.points)]
            for at in wanted if not quick else wanted[:1]:
                assert any(at.items() <= one.items() for one in sizes), (series.name, at, quick)


def test_ours_stand_beside_the_published_ones() -> None:
    records = frame_of([
        sized("eager", 64, 1e-3), sized("simd", 64, 2e-3), sized("streaming", 64, 3e-3),
        sized("eager", 128, 4e-3), sized("simd", 128, 2e-3), sized("streaming", 128, 1e-3),
    ]).assign(run="here", device="a CPU")  # fmt: skip
    found = compared(made(), records, {"here": "2026-01-02"})
    texts = [cells(row) for row in found.rows]
    assert [text[:6] for text in texts] == [
        ("slow", "B=1 T=64 H=8", "–", "1 ms", "", "eager"),
        ("slow", "B=1 T=128 H=8", "6 ms", "4 ms", "", "eager"),
        ("fast", "B=1 T=64 H=8", "–", "2 ms", "", "simd"),
        ("fast", "B=1 T=128 H=8", "2 ms", "1 ms", "", "streaming"),
        ("slow ÷ fast", "B=1 T=64 H=8", "–", "0.5x", "", "eager ÷ simd"),
        ("slow ÷ fast", "B=1 T=128 H=8", "3x", "4x", "1.33x", "eager ÷ streaming"),
    ]
    assert {text[6:] for text in texts} == {("a CPU", "2026-01-02", "here")}
    # log(1/2) and log(4) at either end: a third of the way, in logarithms.
    (cross,) = found.crossings
    assert cross.size == pytest.approx(64 * 2 ** (1 / 3)) and cross.faster == "fast"
    html = "".join(pieces(made(), found))
    assert "published on: </b>a GPU, 2017" in html and "1.33x" in html and "T ≈ 81 (derived)" in html


def test_what_was_published_stands_there_where_nothing_was_measured() -> None:
    records = frame_of([sized("eager", 64, 1e-3)]).assign(run="here", device="a CPU")
    found = compared(made(), records, {})
    missing = [(row.figure, row.published, row.ours) for row in found.rows if row.ours is None]
    assert missing == [("slow", 6e-3, None), ("fast", 2e-3, None), ("slow ÷ fast", pytest.approx(3.0), None)]
    assert "not both timed in here" in crossing_text(found.crossings[0])


def test_times_of_two_devices_make_no_ratio_unless_the_series_name_theirs() -> None:
    records = frame_of([sized("eager", 64, 1e-3), sized("simd", 64, 1e-4)])
    records = records.assign(run="here", device=["a CPU", "a GPU"], backend=["cpu", "cuda"])
    plain = made()
    assert not [row for row in compared(plain, records, {}).rows if row.unit == "x" and row.ours]
    named = [s.model_copy(update={"backend": b}) for s, b in zip(plain.series, ("cpu", "cuda"), strict=True)]
    (ratio,) = [
        row for row in compared(plain.model_copy(update={"series": tuple(named)}), records, {}).rows
        if row.unit == "x" and row.ours
    ]  # fmt: skip
    assert ratio.ours == pytest.approx(10) and ratio.device == "a CPU ÷ a GPU"


def test_memory_is_what_right_variants_declare() -> None:
    """Bytes kept for the backward pass, of one device; nothing of a variant that gave no right answer."""
    kept = {"slow": 300, "fast": 200, "streaming": 900}
    records = frame_of([
        sized("eager", 64, 1e-3, declared=Work(kept_bytes=kept["slow"])),
        sized("simd", 64, 2e-3, declared=Work(kept_bytes=kept["fast"])),
        sized("streaming", 64, 1e-3, declared=Work(kept_bytes=kept["streaming"]), status=Status.INCORRECT, time=None,
              samples_s=[]),
    ]).assign(run="here", device="a CPU")  # fmt: skip
    plain = made()
    series = [s.model_copy(update={"quantity": "kept", "points": ()}) for s in plain.series]
    ratio = plain.ratios[0].model_copy(update={"points": (Point(at={}, value=3.0),)})
    found = compared(
        plain.model_copy(update={"series": tuple(series), "ratios": (ratio,), "crossings": ()}), records, {}
    )
    assert [cells(row)[:5] for row in found.rows] == [
        ("slow", "B=1 T=64 H=8", "–", "300 B", ""),
        ("fast", "B=1 T=64 H=8", "–", "200 B", ""),
        ("slow ÷ fast", "B=1 T=64 H=8", "3x", "1.5x", "0.5x"),
    ]
    assert not found.counted


def test_the_recorded_runs_hold_what_is_asked() -> None:
    profiles = ROOT / "profiles"
    scan = compare_experiment(load_experiment("cuda-scan"), [run_summary("cpu-experiment", profiles)])
    assert {row.sizes["T"] for row in scan.rows} == {64 << n for n in range(11)}
    errors = compare_experiment(load_experiment("error-growth"), [run_summary("error-growth", profiles)])
    worst = {row.figure: row.ours for row in errors.rows if row.sizes["T"] == 131072 and row.unit == ""}
    assert worst["log space"] is not None and worst["serial"] is not None
    assert worst["log space"] > 1000 * worst["serial"]
    assert not compare_experiment(load_experiment("error-growth"), [run_summary("cpu-experiment", profiles)]).has_ours


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "no experiment"),
        ("title = 'a'", "source: Field required"),
        ("title = 'a'\nsource = 'b'\nsweeps = []\nseries = []", "sweeps"),
        (
            "title='a'\nsource='b'\nsweeps=[{name='s', operations=['scan']}]\nseries=[{name='x', variants=['v']}]\n"
            "ratios=[{name='r', over='x', under='nope'}]",
            "no series is called nope",
        ),
    ],
)
def test_a_broken_file_is_one_line_and_leaves_the_others(tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "broken.toml").write_text(text)
    (folder / "good.toml").write_text(experiment_files()["cuda-scan"].read_text())
    found, broken = load_experiments(tmp_path)
    assert [one.name for one in found] == ["good"]
    (line,) = map(str, broken)
    assert said in line and "broken.toml" in line and "\n" not in line
    with pytest.raises(Problem, match=r"broken\.toml"):
        load_experiment("broken", tmp_path)
    with pytest.raises(Problem, match="did you mean good"):
        load_experiment("god", tmp_path)


def test_a_kernel_that_was_only_simulated_has_no_time_and_is_told_apart() -> None:
    records = frame_of([sized("eager", 64, 1e-3), sized("simd", 64, 1e-4)])
    simulated = records["variant"] == "simd"
    records = records.assign(run="here", device="a CPU", backend=["cpu", "simulated"])
    records.loc[simulated, "time.median_s"] = None
    found = compared(made(), records, {})
    (one,) = found.counted
    assert (one.figure, one.variant, one.status, one.instructions) == ("fast", "simd", "ok", None)
    assert not [row for row in found.rows if row.figure == "fast" and row.ours is not None]
    assert "simulated" in "".join(pieces(made(), found))
