"""A folder of one's own goes through list, build, check and sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

SOFTMAX = str(Path(__file__).parents[2] / "examples" / "softmax")


def test_list_names_its_variants_and_how_they_run(workbench: Run) -> None:
    rows = json.loads(workbench("list", "--kernels", SOFTMAX, "--json").stdout)
    assert [(r["operation"], r["variant"]) for r in rows] == [("softmax", "eager"), ("softmax", "row_block")]
    assert rows[0]["backend_here"] in ("cpu", "cuda") and rows[1]["backend_here"] in ("simulated", "cuda")
    assert rows[1]["settings"] == {"block": [128, 256, 64]}


def test_build_shows_what_the_kernel_compiles_to(workbench: Run) -> None:
    done = workbench("build", "--kernels", SOFTMAX, "--arch", "sm_90", "--json")
    assert done.returncode == 0, done.stderr
    assert "softmax_row_block" in done.stdout and "registers" in done.stdout


def test_check_finds_both_right(workbench: Run) -> None:
    done = workbench("check", "--kernels", SOFTMAX, "--json", "--dtype", "float32,bfloat16")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 4
    for row in rows:
        assert row["status"] == "ok" and 0 < row["relative_l2"] <= row["bound"]


@pytest.mark.thorough
def test_sweep_times_and_prints_its_ladder(workbench: Run, tmp_path: Path) -> None:
    done = workbench("sweep", "--kernels", SOFTMAX, "--rows", "64", "--columns", "256,1024", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "rows=64 columns=256" in done.stdout
    assert "row_block" in done.stdout and "simulated" in done.stdout and "noise (A/A)" in done.stdout
    runs = list((tmp_path / "profiles").iterdir())
    assert len(runs) == 1 and (runs[0] / "records.parquet").is_file()
