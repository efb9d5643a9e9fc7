"""Reading runs: filters, unfinished and broken ones, and that a change of files is seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.dashboard.synthetic import CPU, synthetic_run
from tests.views.build_records import timed
from workbench.views.counters import launches_of, rules, stalls, with_counters
from workbench.views.filter import Filter
from workbench.views.query import choices, read_records
from workbench.views.runs import RunSummary, list_summaries


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profiles")
    synthetic_run(folder, "gpu", counters=True, lengths=(256, 1024))
    synthetic_run(folder, "cpu", CPU, lengths=(256,), created="2026-01-02T00:00:00Z")
    return folder


def run(profiles: Path, name: str) -> RunSummary:
    return next(one for one in list_summaries(profiles) if one.name == name)


def test_runs_are_listed_newest_first(profiles: Path) -> None:
    assert [one.name for one in list_summaries(profiles)] == ["cpu", "gpu"]
    assert run(profiles, "gpu").counters
    assert not run(profiles, "cpu").counters


def test_filters(profiles: Path) -> None:
    gpu = [run(profiles, "gpu")]
    everything = read_records(gpu, Filter()).frame
    scans = read_records(gpu, Filter(operations=("scan",), variants=("ring", "serial"), dtypes=("float32",))).frame
    assert set(scans["variant"]) == {"ring", "serial"}
    assert len(scans) == 4 < len(everything)
    assert set(read_records(gpu, Filter(sizes=(("T", (256,)),))).frame["shape.T"]) == {256}
    assert set(read_records(gpu, Filter(sizes=(("O", (1024,)),))).frame["operation"]) == {"projection", "layer"}
    trees = read_records(gpu, Filter(factors=("algorithm=tree", "algorithm=chunked"))).frame
    assert {"blelloch", "three_phase"} <= set(trees["variant"])
    assert "ring" not in set(trees["variant"])
    assert read_records(gpu, Filter(factors=("algorithm=it's",))).frame.empty


def test_samples_come_only_when_wanted(profiles: Path) -> None:
    one = [run(profiles, "gpu")]
    assert "samples_s" not in read_records(one, Filter(variants=("ring",))).frame
    assert len(read_records(one, Filter(variants=("ring",)), samples=True).frame["samples_s"].iloc[0]) == 20


def test_several_runs_are_told_apart(profiles: Path) -> None:
    frame = read_records([run(profiles, "gpu"), run(profiles, "cpu")], Filter(operations=("scan",))).frame
    assert set(frame["run"]) == {"gpu", "cpu"}


def test_choices(profiles: Path) -> None:
    found = choices([run(profiles, "gpu")])
    assert found.operations == ("gate", "gated_scan", "layer", "projection", "scan")
    assert found.sizes["T"] == (256, 1024)
    assert "algorithm=tree" in found.factors


def test_dtypes_are_those_that_an_operation_has(tmp_path: Path) -> None:
    folder = synthetic_run(tmp_path, "two", lengths=(256,))
    found = choices(list_summaries(tmp_path))
    assert set(found.dtypes) == set(found.operations) and set(found.dtypes["scan"]) == {"bfloat16", "float32"}
    committed = Path(__file__).parents[2] / "profiles" / "h200-2026-11-26-limit"
    shutil.copytree(committed, tmp_path / "limit")
    (limit,) = (one for one in list_summaries(tmp_path) if one.name != folder.run.name)
    assert choices([limit]).dtypes == {"gated_scan": ("bfloat16",), "layer": ("bfloat16",), "scan": ("float32",)}


def test_an_unfinished_run_is_read_and_its_growth_seen(tmp_path: Path) -> None:
    folder = synthetic_run(tmp_path, "going", finished=False, lengths=(256,))
    before = read_records(list_summaries(tmp_path), Filter(operations=("scan",))).frame
    folder.append(timed("new_one", 1.0))
    after = read_records(list_summaries(tmp_path), Filter(operations=("scan",))).frame
    assert list_summaries(tmp_path)[0].state == "unfinished"
    assert set(after["variant"]) - set(before["variant"]) == {"new_one"}


def test_an_unfinished_run_without_a_record_yet(tmp_path: Path) -> None:
    folder = synthetic_run(tmp_path, "empty", finished=False, lengths=())
    (folder.path / "records.jsonl").unlink(missing_ok=True)
    result = read_records(list_summaries(tmp_path), Filter())
    assert result.frame.empty
    assert {"variant", "time.median_s", "run"} <= set(result.frame.columns)
    assert choices(list_summaries(tmp_path)).operations == ()


def test_a_broken_file_costs_only_its_own_run(tmp_path: Path) -> None:
    synthetic_run(tmp_path, "good", lengths=(256,))
    bad = synthetic_run(tmp_path, "bad", lengths=(256,))
    parquet = bad.path / "records.parquet"
    parquet.write_bytes(parquet.read_bytes()[:2000])
    result = read_records(list_summaries(tmp_path), Filter(operations=("scan",)))
    assert set(result.frame["run"]) == {"good"}
    assert len(result.problems) == 1
    assert "bad/records.parquet: corrupt" in result.problems[0]


@pytest.mark.parametrize("text", ["{", '{"schema": 99}', "[]"])
def test_a_corrupt_run_is_listed_with_its_problem(tmp_path: Path, text: str) -> None:
    synthetic_run(tmp_path, "good", lengths=(256,))
    synthetic_run(tmp_path, "bad", lengths=(256,))
    (tmp_path / "bad" / "run.json").write_text(text)
    states = {one.name: one for one in list_summaries(tmp_path)}
    assert states["good"].state == "finished"
    assert states["bad"].state == "corrupt"
    assert "run.json" in states["bad"].problem


def test_a_finished_run_that_lost_its_records_is_corrupt(tmp_path: Path) -> None:
    folder = synthetic_run(tmp_path, "lost", lengths=(256,))
    (folder.path / "records.parquet").unlink()
    assert list_summaries(tmp_path)[0].state == "corrupt"


def test_no_folder_holds_no_runs(tmp_path: Path) -> None:
    assert list_summaries(tmp_path / "nowhere") == ()


def test_counters_are_joined_and_missing_ones_stay_missing(profiles: Path) -> None:
    runs = [run(profiles, "gpu")]
    records = read_records(runs, Filter(operations=("scan",), dtypes=("float32",))).frame
    launches = launches_of(runs, records)
    rows = with_counters(records, launches).set_index(["variant", "shape.T"])
    assert rows.loc[("serial", 1024), "occupancy_achieved"] == pytest.approx(0.9)
    assert rows.loc[("serial", 1024), "top_stall"] == "long scoreboard"
    moved = rows.loc[("serial", 1024), "bytes.counted"] / rows.loc[("serial", 1024), "bytes.declared"]
    assert moved == pytest.approx(1.02)
    assert rows.loc[("serial", 256), ["occupancy_achieved", "top_stall", "bytes.counted"]].isna().all()
    waits = stalls(records, launches)
    assert waits.groupby("key")["share"].sum().round(6).eq(1.0).all()
    assert set(rules(runs, records)["title"]) == {"Bottleneck"}


def test_nothing_was_counted(profiles: Path) -> None:
    runs = [run(profiles, "cpu")]
    records = read_records(runs, Filter(operations=("scan",))).frame
    assert launches_of(runs, records) == {}
    assert with_counters(records, {})["occupancy_achieved"].isna().all()
    assert stalls(records, {}).empty
    assert rules(runs, records).empty


def test_run_without_ceilings_or_noise_floor(tmp_path: Path) -> None:
    folder = synthetic_run(tmp_path, "bare", lengths=(256,), noise_floor=None)
    data = json.loads((folder.path / "run.json").read_text())
    (folder.path / "run.json").write_text(json.dumps({**data, "machines": [{**data["machines"][0], "ceilings": {}}]}))
    summary = list_summaries(tmp_path)[0]
    assert (summary.machines[0].noise_floor, summary.has_ceilings) == (None, False)
