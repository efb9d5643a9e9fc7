"""`workbench profile` on the command line, with the stand-in for ncu."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.profile.build_run import contents, make_record, make_run
from workbench.cli import make_app
from workbench.problem import Problem
from workbench.store.counters import has_counters

NCU = str(Path(__file__).with_name("fake_ncu.py"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


def invoke(tmp_path: Path, *words: str) -> Result:
    words = ("profile", "a-run", "--profiles", str(tmp_path / "profiles"), "--ncu", NCU, *words)
    return CliRunner().invoke(make_app(), words, catch_exceptions=True)


def test_it_profiles_joins_and_prints(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "profiles", make_record("serial"), make_record("vector"))
    result = invoke(tmp_path)
    assert result.exit_code == 0, result.output
    assert "4 launches in 2 records" in result.output
    assert "declaration contradicted: declares 1 launches, 2 were counted" in result.output
    assert "contradicted: declares 201 MB of DRAM traffic, 4 MB were counted" in result.output
    assert has_counters(folder.path)


def test_it_prints_the_exact_command_and_runs_nothing(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "profiles", make_record("serial"), make_record("vector"))
    before = contents(folder.path)
    result = invoke(tmp_path, "--print-command", "--variants", "vector", "--cache", "none", "--set", "roofline")
    command = shlex.split(result.stdout.strip())
    assert command[0] == NCU
    assert command[command.index("--nvtx-include") + 1] == f"workbench@{make_record('vector').key}/"
    assert command[command.index("--cache-control") + 1] == "none"
    assert command[command.index("--set") + 1] == "roofline" and "--section" not in command
    assert json.loads(Path(command[-1]).read_text())["items"][0]["variant"] == "vector"
    assert contents(folder.path) == before


def test_axes_are_options(tmp_path: Path) -> None:
    make_run(tmp_path / "profiles", make_record(T=1024), make_record(T=4096))
    result = invoke(tmp_path, "scan", "--T", "1024", "--print-command")
    assert make_record(T=1024).key in result.stdout
    assert make_record(T=4096).key not in result.stdout


def test_json(tmp_path: Path) -> None:
    make_run(tmp_path / "profiles", make_record("serial"))
    (row,) = json.loads(invoke(tmp_path, "--json").stdout)
    assert row["launches_counted"] == 2
    assert row["occupancy_achieved"] == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--budget", "0"], "--budget 0: seconds must be positive"),
        (["--timeout", "-1"], "--timeout -1: seconds must be positive"),
        (["--cache", "warm"], "--cache warm: all (cold) or none"),
        (["--section", "a b"], "section a b: not a name"),
        (["--variants", "seriel"], "did you mean serial"),
    ],
)
def test_what_it_does_not_take(words: list[str], said: str, tmp_path: Path) -> None:
    make_run(tmp_path / "profiles", make_record("serial"))
    result = invoke(tmp_path, *words)
    assert isinstance(result.exception, Problem)
    assert said in str(result.exception)
