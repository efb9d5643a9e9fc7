"""profiles/ncu_profile.sh: the same command as `workbench profile`, and its failures, against the stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.profile.build_run import make_record, make_run
from workbench.profile.command import Collection, ncu_command
from workbench.profile.import_report import import_into_run
from workbench.profile.select import write_selection
from workbench.store.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "profiles/ncu_profile.sh"
NCU = str(Path(__file__).with_name("fake_ncu.py"))
RECORDS = (
    make_record("serial"),
    make_record("vector", **{"pass": "backward", "key": "scan.vector.b.f.n.backward.cuda"}),
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "profiles", *RECORDS)


@pytest.fixture
def selection(folder: RunFolder, tmp_path: Path) -> Path:
    return write_selection(folder, RECORDS, tmp_path)


def run(selection: Path, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script with a python that has no torch to import slowly, nor cuda.core."""
    packages = tmp_path / "packages"
    (packages / "torch").mkdir(parents=True, exist_ok=True)
    (packages / "torch/__init__.py").touch()
    variables = {
        "NCU": NCU, "PYTHON": sys.executable, "FAKE_NCU_ARGUMENTS": str(tmp_path / "arguments"),
        "PYTHONPATH": str(packages), **environment,
    }  # fmt: skip
    return subprocess.run(
        [str(SCRIPT), str(selection), str(tmp_path / "out.ncu-rep")],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_is_the_same_command(folder: RunFolder, selection: Path, tmp_path: Path) -> None:
    done = run(selection, tmp_path)
    assert done.returncode == 0, done.stderr
    keys = [(record.key, record.pass_) for record in RECORDS]
    expected = ncu_command(NCU, selection, keys, tmp_path / "out.ncu-rep", Collection(), sys.executable)
    assert (tmp_path / "arguments").read_text().splitlines() == expected[1:]


def test_its_report_joins_the_run(folder: RunFolder, selection: Path, tmp_path: Path) -> None:
    done = run(selection, tmp_path)
    assert f"workbench import {tmp_path / 'out.ncu-rep'} --run a-run" in done.stdout
    imported = import_into_run(tmp_path / "out.ncu-rep", folder)
    assert set(imported.launches) == {record.key for record in RECORDS}


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("permission", "under WSL2"),
        ("dcgm", "dcgmi profile --pause"),
        ("outside", "profiled no kernel"),
        ("silent", "left no report"),
        ("empty", "left no report"),
    ],
)
def test_its_failures(way: str, words: str, selection: Path, tmp_path: Path) -> None:
    done = run(selection, tmp_path, FAKE_NCU=way)
    assert done.returncode != 0
    assert words in done.stderr
    assert "bring it home" not in done.stdout


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("NCU", "no-such-ncu", "no-such-ncu: not on PATH"),
        ("PYTHON", "no-such-python", "no-such-python: not on PATH"),
        ("CHECKOUT", "/no/such/folder", "no checkout of the workbench there"),
    ],
)
def test_what_is_missing_on_the_node(variable: str, value: str, words: str, selection: Path, tmp_path: Path) -> None:
    done = run(selection, tmp_path, **{variable: value})
    assert done.returncode == 1
    assert words in done.stderr


def test_a_selection_that_is_not_there(tmp_path: Path) -> None:
    assert "workbench profile RUN --print-command writes it" in run(tmp_path / "none.json", tmp_path).stderr
