"""Runs of older schemas open whole, and what they are on disk stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from pydantic import Field

from workbench.store.record import SCHEMA, Record
from workbench.store.run_folder import open_run
from workbench.store.table import columns_of, rows_of, table_of, write_table
from workbench.views.flat import frame_of

PROFILES = Path(__file__).parents[2] / "profiles"
OLD = {
    "key": "scan.serial.x", "operation": "scan", "variant": "serial", "factors": {"memory": "registers"},
    "settings": {"block": 128}, "pass": "forward", "shape": {"B": 1, "T": 8, "dtype": "float32", "regime": "normal"},
    "device": "a GPU", "backend": "cuda", "status": "ok", "reason": None, "error": None, "samples_s": [1e-3],
    "time": {"median_s": 1e-3, "low_s": 9e-4, "high_s": 2e-3, "minimum_s": 9e-4, "count": 1, "timer": "cuda_event",
             "cache": "cold", "stopped_by": "spread", "clock_hz": None},
    "bytes": {"declared": 100, "least": 50, "counted": None}, "flops": 10, "special": None,
    "launches": {"declared": 1, "counted": None}, "bandwidth_bytes_per_s": 1e5, "flops_per_s": 1e4,
    "share_of_ceiling": 0.25, "floor_s": 5e-4, "floor_bound_by": "latency", "share_of_floor": 0.5, "limit_s": 1e-4,
    "share_of_limit": 0.1, "speedup_over_baseline": None, "build": [],
}  # fmt: skip


def begun(profiles: Path, *records: dict[str, object]) -> Path:
    """A run of schema 2 that was cut off: its records are lines of JSON."""
    path = profiles / "old"
    path.mkdir(parents=True)
    run = {
        "schema": 2, "name": "old", "created": "2026-01-01T00:00:00Z", "command": [], "device": "a GPU",
        "environment": {"gpu": "a GPU", "packages": {"torch": "2.1"}, "commit": "abc"},
        "ceilings": {"copy_bytes_per_s": 1e12}, "noise_floor": 0.02, "spreads": {}, "finished": False, "selection": {},
    }  # fmt: skip
    (path / "run.json").write_text(json.dumps(run))
    (path / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.parametrize(("name", "count"), [("cpu-epyc-2-cores", 58), ("cpu-experiment", 121), ("error-growth", 56)])
def test_committed_runs_open_whole(name: str, count: int, tmp_path: Path) -> None:
    folder = open_run(PROFILES / name)
    records = folder.records()
    assert len(records) == count
    stored = {row["key"]: row for row in rows_of(folder.path / "records.parquet")}
    frame = frame_of(records, folder.run).set_index("key")
    for record in records:
        old, row = stored[record.key], frame.loc[record.key]
        assert json.loads(old["shape"]) == record.shape and old["device"] == row["device"]
        assert (old["samples_s"], old["time.median_s"]) == (record.samples_s, record.time and record.time.median_s)
        for figure in ("share_of_limit", "share_of_floor", "share_of_ceiling", "bandwidth_bytes_per_s", "floor_s"):
            assert row[figure] == pytest.approx(old[figure] or float("nan"), nan_ok=True), (record.key, figure)
        assert (row["floor_bound_by"] if pd.notna(row["floor_bound_by"]) else None) == old["floor_bound_by"]
    write_table(records, tmp_path / "again.parquet")
    assert [Record.model_validate(row) for row in rows_of(tmp_path / "again.parquet")] == records


def test_a_run_cut_off_under_an_older_schema_goes_on(tmp_path: Path) -> None:
    folder = open_run(begun(tmp_path, OLD))
    assert folder.schema == 2 and folder.run.machines[0].versions == {"torch": "2.1"}
    (old,) = folder.records()
    folder.append(old.model_copy(update={"key": "scan.serial.y", "bounds": None}))
    folder.update(environment={"note": "later"})
    folder.finish()
    again = open_run(folder.path)
    assert again.schema == SCHEMA and again.records() == [
        old,
        old.model_copy(update={"key": "scan.serial.y", "bounds": None}),
    ]
    assert [r["machine"] for r in rows_of(folder.path / "records.parquet")] == ["cuda", "cuda"]


def test_another_devices_records_lose_the_bounds_that_were_not_theirs(tmp_path: Path) -> None:
    """Of a run on a GPU and a CPU only the first device's ceilings were measured, and used for both."""
    folder = open_run(begun(tmp_path, OLD, {**OLD, "key": "k", "device": "a CPU", "backend": "cpu"}))
    on_gpu, on_cpu = folder.records()
    assert on_gpu.bounds is not None and on_gpu.bounds.floor_s == 5e-4 and on_cpu.bounds is None
    frame = frame_of([on_gpu, on_cpu], folder.run)
    assert list(frame["device"]) == ["a GPU", "a CPU"]
    assert frame.loc[0, "share_of_floor"] == pytest.approx(0.5) and frame["share_of_floor"].isna()[1]


def test_a_new_column_needs_no_entry_anywhere() -> None:
    """A text, a number, a list and a choice of both, empty or not: the column's type is the field's."""

    class Wider(Record):
        remark: str | None = None
        chosen: int | str | None = None
        words: dict[str, list[str]] = Field(default_factory=dict)

    kinds = {name: str(kind) for name, kind in columns_of(Wider)}
    assert (kinds["remark"], kinds["chosen"]) == ("string", "struct<integer: int64, text: string>")
    assert kinds["words"].startswith("map<string, list<")
    assert table_of([]).schema.names == [name for name, _ in columns_of(Record)]
