"""A run survives crashes, says what is wrong with it, and reads back what was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workbench.problem import Problem
from workbench.show.hints import unreadable
from workbench.store.new_run import create_run
from workbench.store.record import BuildFact, ErrorMeasure, Machine, Record, Run, Status, Time, Work
from workbench.store.run_folder import command_on, find_run, list_runs, open_run
from workbench.views.runs import RunSummary

TIME = Time(
    median_s=1e-3, low_s=0.9e-3, high_s=1.1e-3, minimum_s=0.8e-3, count=3, timer="cpu_wall", cache="rotated",
    stopped_by="spread",
)  # fmt: skip


def record(number: int = 0, **fields: object) -> Record:
    base = {
        "key": f"scan.serial.{number}",
        "operation": "scan",
        "variant": "serial",
        "axes": {"B": 1, "T": 8, "H": 4},
        "dtype": "float32",
        "regime": "normal",
        "machine": "cpu",
        "backend": "cpu",
        "status": Status.OK,
        "time": TIME,
        "samples_s": [1e-3, 2e-3, 1.5e-3],
        "settings": {"block": 128},
        "declared": Work(bytes=100),
        "least": Work(bytes=50),
        "error": ErrorMeasure(relative_l2=1e-8, bound=1e-6, where="h normal"),
        "build": [BuildFact(arch="sm_90", kernel="scan_serial", registers=32, sass_mix={"FFMA": 3})],
    }
    return Record.model_validate({**base, **fields})


def run(name: str = "r") -> Run:
    return Run(
        name=name,
        created="2026-01-01T00:00:00Z",
        command=["workbench"],
        machines=[Machine(id="cpu", name="a CPU", backend="cpu")],
    )


def test_records_survive_finishing(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    written = [record(0), record(1, status=Status.INCORRECT, time=None, samples_s=[], reason="h: NaN", error=None)]
    for one in written:
        folder.append(one)
    assert open_run(folder.path).records() == written
    folder.finish()
    again = open_run(folder.path)
    assert again.run.finished and again.records() == written
    assert not (folder.path / "records.jsonl").exists()


def test_a_finished_run_does_not_grow(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.finish()
    with pytest.raises(Problem, match="finished"):
        folder.append(record())


@given(cut=st.integers(min_value=0, max_value=10_000))
def test_a_crash_at_any_byte_loses_at_most_the_record_in_progress(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = create_run(tmp_path_factory.mktemp("crash"), run())
    for number in range(3):
        folder.append(record(number))
    file = folder.path / "records.jsonl"
    whole = file.read_bytes()
    kept = whole[: cut % (len(whole) + 1)]
    file.write_bytes(kept)
    survivors = open_run(folder.path).records()
    assert survivors == [record(n) for n in range(kept.count(b"\n"))]
    folder.append(record(9))
    assert open_run(folder.path).records() == [*survivors, record(9)]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.append(record(0))
    with (folder.path / "records.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(Problem, match=r"records\.jsonl:2: corrupt"):
        folder.records()


def test_newer_schema_corrupt_and_missing_runs_each_get_a_line(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run("good"))
    data = json.loads((folder.path / "run.json").read_text())
    for name, text, message in (
        ("newer", json.dumps({**data, "schema": 99}), "schema 99 is newer"),
        ("noise", "\x00garbage", "corrupt"),
        ("field", json.dumps({"schema": 1}), "corrupt"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
        with pytest.raises(Problem, match=message):
            open_run(tmp_path / name)
    with pytest.raises(Problem, match="did you mean good"):
        find_run(tmp_path, "goood")
    assert [r.run.name for r in list_runs(tmp_path)] == ["good"]


def test_a_corrupt_parquet_is_named(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.append(record())
    folder.finish()
    (folder.path / "records.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(Problem, match=r"records\.parquet: corrupt"):
        open_run(folder.path).records()


def test_profiles_that_cannot_be_written_leave_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(Problem, match="cannot be created"):
        create_run(blocked, run())
    with pytest.raises(Problem, match="exists already"):
        create_run(tmp_path, run("twice")) and create_run(tmp_path, run("twice"))


def test_a_wrong_kernel_has_no_time() -> None:
    with pytest.raises(ValidationError, match="must not carry a time"):
        record(status=Status.INCORRECT)
    with pytest.raises(ValidationError, match="never timed"):
        record(backend="simulated")
    with pytest.raises(ValidationError, match="never timed"):
        record(backend="emulated")


def test_commands_name_the_folder_of_runs_where_it_is_another() -> None:
    assert command_on(Path("profiles/r"), "finish") == "workbench finish r"
    assert command_on(Path("else where/r"), "sweep --resume") == "workbench sweep --resume r --profiles 'else where'"
    run = RunSummary("r", Path("/elsewhere/r"), "unfinished")
    assert "workbench sweep --resume r --profiles /elsewhere" in unreadable([run], [run], [])[0]
