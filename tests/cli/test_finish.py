"""`workbench finish`: JSON lines brought home become Parquet; and a sweep where pyarrow is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.profile.build_run import make_record, make_run
from tests.sweep.test_sweep import selection
from workbench.store.record import Status
from workbench.store.run_folder import open_run
from workbench.sweep.progress import Silent
from workbench.sweep.session import continue_run
from workbench.sweep.start import start_run


def test_lines_become_parquet(tmp_path: Path, workbench: Run) -> None:
    make_run(tmp_path / "profiles", make_record("serial"), make_record("vector"), finished=False)
    done = workbench("finish", "a-run")
    assert done.returncode == 0 and "2 records" in done.stdout
    folder = open_run(tmp_path / "profiles" / "a-run")
    assert folder.run.finished and [r.variant for r in folder.records()] == ["serial", "vector"]
    assert not (folder.path / "records.jsonl").exists()
    assert "finished already" in workbench("finish", "a-run").stdout


def test_an_unknown_run_is_a_line(tmp_path: Path, workbench: Run) -> None:
    make_run(tmp_path / "profiles", make_record())
    done = workbench("finish", "b-run")
    assert done.returncode != 0 and "known: a-run" in done.stderr and "Traceback" not in done.stderr


def test_a_sweep_without_pyarrow_ends_as_lines_that_can_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name == "pyarrow" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    folder = start_run(selection(variants=("plain",)), tmp_path, "lines")
    continue_run(folder, Silent())
    assert not folder.run.finished and [r.status for r in open_run(folder.path).records()] == [Status.OK]
    open_run(folder.path).finish()
    assert open_run(folder.path).run.finished
