"""profiles/gpu_run.sh: the stages in their order, each by itself, with a python that only notes what it is asked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.catalog import load_catalog

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "profiles/gpu_run.sh"
Done = subprocess.CompletedProcess[str]

PYTHON = """#!/bin/sh
# Notes its arguments; is a machine with everything on it; fails where FAILS is among the arguments.
echo "$*" | head -1 >> "$(dirname "$0")/asked"
case "$*" in
    *gpu_name\\(\\)\\)) echo "NVIDIA H200" ;;
    *find_spec*) echo "$LACKING" ;;
esac
[ -n "$FAILS" ] && case "$*" in *"$FAILS"*) exit 3 ;; esac
exit 0
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    path = tmp_path / "bin/python3"
    path.parent.mkdir()
    path.write_text(PYTHON)
    path.chmod(0o755)
    return path


def run(*arguments: str, **environment: str) -> Done:
    import os

    return subprocess.run(
        [str(SCRIPT), *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def printed(*arguments: str) -> dict[str, str]:
    """Stage → its command."""
    done = run("--print", "--python", sys.executable, *arguments)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: command for name, _, command in lines}


def asked(python: Path) -> list[str]:
    """The stages that the python was asked for, in order."""
    known = {"-m pytest": "tests", "-m workbench sweep": "sweep", "-m workbench profile": "profile"}
    text = (python.parent / "asked").read_text().splitlines()
    return [stage for line in text for start, stage in known.items() if line.startswith(start)]


def test_print_shows_every_stage_in_order_and_runs_none(tmp_path: Path) -> None:
    stages = printed("--name", "a-run", "--profiles", str(tmp_path))
    assert list(stages) == ["tests", "sweep", "profile", "ladder"]
    assert "-m gpu" in stages["tests"]
    assert "--preset gpu --device cuda" in stages["sweep"] and "--name a-run" in stages["sweep"]
    assert "a-run gate scan gated_scan projection layer" in stages["sweep"] and "sru_scan" not in stages["sweep"]
    assert "profile a-run" in stages["profile"] and stages["ladder"].rstrip().endswith("/a-run")
    assert list(tmp_path.iterdir()) == []


def test_stages_fit_the_time_together() -> None:
    done = run("--print", "--python", sys.executable, "--seconds", "300")
    seconds = {line.split("\t")[0]: int(line.split("\t")[1].split()[0]) for line in done.stdout.splitlines()}
    assert seconds["tests"] <= 75 and seconds["sweep"] <= 240 and max(seconds.values()) <= 300


def test_resume_goes_on_with_the_run_and_leaves_the_tests(tmp_path: Path) -> None:
    (tmp_path / "a-run").mkdir()
    stages = printed("--resume", "a-run", "--profiles", str(tmp_path))
    assert "tests" not in stages
    assert "--resume a-run" in stages["sweep"] and "--preset" not in stages["sweep"]


@pytest.mark.parametrize(("preset", "device"), [("peers", "cuda"), ("experiment", "cuda\\,cpu")])
def test_another_preset_is_a_run_of_its_own(preset: str, device: str) -> None:
    stages = printed("--name", "a-run", "--preset", preset)
    assert list(stages) == ["sweep", "ladder"]
    assert f"--preset {preset} --device {device} " in stages["sweep"]
    assert list(printed("--name", "a-run", "--preset", preset, "--stages", "sweep")) == ["sweep"]


def test_what_it_selects_exists() -> None:
    names = {name for variant in load_catalog() for name in (variant.name, variant.key)}
    text = SCRIPT.read_text()
    chosen = re.findall(r"^(?:rungs\+?|parts\+?|profiled)=,?(.+)$", text, re.MULTILINE)
    words = {word for line in chosen for word in line.split(",")}
    assert {"ring", "fla_hgrn", "torch", "projection/per_step"} <= words <= names


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--seconds", "soon"), 2, "whole number of seconds"),
        (("--stages", "tests,cook"), 2, "tests, sanitize, sweep"),
        (("--wheels", "/no/such"), 1, "no such folder"),
        (("--python", "no-such-python"), 1, "not on PATH"),
        (("--resume", "no-such-run"), 1, "no such run"),
        (("--preset", "quick"), 2, "gpu, limit, peers, experiment"),
        (("--name",), 2, "wants a value"),
        (("--cook",), 2, "gpu_run.sh [--wheels"),
    ],
)
def test_what_is_wrong_is_a_line(arguments: tuple[str, ...], status: int, words: str) -> None:
    done = run("--print", *arguments)
    assert done.returncode == status and words in done.stderr


def test_the_stages_run_in_order(python: Path, tmp_path: Path) -> None:
    (tmp_path / "a-run").mkdir()
    done = run("--python", str(python), "--name", "a-run", "--profiles", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert asked(python) == ["tests", "sweep", "profile"]
    assert "a-run:" in done.stdout.splitlines()[-1]


def test_a_stage_that_fails_costs_itself(python: Path, tmp_path: Path) -> None:
    (tmp_path / "a-run").mkdir()
    done = run("--python", str(python), "--name", "a-run", "--profiles", str(tmp_path), FAILS="workbench sweep")
    assert done.returncode == 1 and "sweep: exit status 3" in done.stderr and "--resume a-run" in done.stderr
    assert "profile" in asked(python)


def test_missing_packages_are_named(python: Path, tmp_path: Path) -> None:
    done = run("--python", str(python), "--profiles", str(tmp_path), LACKING="pydantic")
    assert done.returncode == 1 and "lacks pydantic; bring wheels" in done.stderr
    assert "sweep" not in asked(python)


def test_a_run_is_named_after_date_and_device(python: Path, tmp_path: Path) -> None:
    done = run("--python", str(python), "--profiles", str(tmp_path), "--stages", "sweep")
    assert done.returncode == 0, done.stderr
    command = next(line for line in (python.parent / "asked").read_text().splitlines() if "workbench sweep" in line)
    assert re.search(r"--name \d{8}-\d{4}-nvidia-h200 ", command)
