"""What a CI stands on: the run of a commit, verdicts as JUnit, and a recipe whose commands exist."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as xml
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from tests.views.build_records import timed
from tests.views.test_compare import frame
from tests.views.test_history import history, one_run
from workbench.cli import make_app
from workbench.problem import Problem
from workbench.show.junit import as_junit
from workbench.store.new_run import create_run
from workbench.store.record import Machine, Run
from workbench.views.compare import compare
from workbench.views.runs import list_summaries
from workbench.views.since import run_since

RECIPE = Path(__file__).parents[2] / "docs" / "ci.md"


def since(profiles: Path, commit: str, name: str, folder: Path) -> str:
    runs = list_summaries(profiles)
    return run_since(commit, next(run for run in runs if run.name == name), runs, folder).name


def test_the_run_of_a_commit_is_of_the_same_host_and_earlier(tmp_path: Path) -> None:
    history(tmp_path, [1.0] * 3)
    history(tmp_path, [1.0] * 3, host="beta")
    assert since(tmp_path, "000000000002", "alpha-03", tmp_path) == "alpha-02"
    assert since(tmp_path, "00000000000", "beta-03", tmp_path) == "beta-02", "a beginning of several: the newest"
    with pytest.raises(Problem, match=r"--since 000000000003: no run on alpha .* measured commits: 000000000001"):
        since(tmp_path, "000000000003", "alpha-02", tmp_path)


def test_a_revision_that_was_not_measured_gives_the_nearest_before_it(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    for number in range(3):
        git("commit", "-q", "--allow-empty", "-m", str(number))
    machine = Machine(id="cpu", name="a CPU", host="alpha", backend="cpu")
    for name, revision, day in (("first", "HEAD~2", 1), ("now", "HEAD", 2)):
        commit = git("rev-parse", "--short=12", revision)
        run = Run(name=name, created=f"2026-03-0{day}", command=[], machines=[machine], environment={"commit": commit})
        create_run(tmp_path / "profiles", run)
    assert since(tmp_path / "profiles", "HEAD~1", "now", tmp_path) == "first"


def test_junit_has_failures_for_slower_pairs_and_skips_open_ones() -> None:
    names = {"same": (1.0, 0.004), "slow\x00 <b>": (1.3, 0.004), "open": (1.015, 0.03), "quick": (0.7, 0.004)}
    a = [timed(name, 1.0, noise=noise) for name, (_, noise) in names.items()]
    b = [timed(name, factor, noise=noise, seed=1) for name, (factor, noise) in names.items()]
    result = compare(frame("a", *a), frame("b", *b), same_variant=True)
    root = xml.fromstring(as_junit(result, "a", "b"))
    (suite,) = root
    assert {n: suite.get(n) for n in ("tests", "failures", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "skipped": "1",
    }
    kinds = {case.get("classname"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert kinds == {"scan.same": [], "scan.slow? <b>": ["failure"], "scan.open": ["skipped"], "scan.quick": []}
    assert "1 slower" in (suite.findtext("system-out") or "")


def test_compare_since_a_commit_writes_junit_and_its_status(tmp_path: Path) -> None:
    history(tmp_path, [1.0, 1.0, 1.3])
    one_run(tmp_path, 3, timed("simd", 1.0, seed=8), host="beta")
    file = tmp_path / "verdicts.xml"
    words = ["compare", "--since", "000000000002", "alpha-03", "--junit", str(file), "--profiles", str(tmp_path)]
    done = CliRunner().invoke(make_app(), words)
    assert done.exit_code == 1 and "B = alpha-03  against  A = alpha-02" in done.output, done.output
    assert xml.parse(file).getroot().get("failures") == "1"
    with pytest.raises(Problem, match="names A itself"):
        done = CliRunner().invoke(make_app(), ["compare", "a", "b", "--since", "0001", "--profiles", str(tmp_path)])
        raise done.exception or AssertionError(done.output)


def test_the_recipe_s_commands_and_options_exist_and_its_script_is_one() -> None:
    text = RECIPE.read_text()
    (script,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    group = typer.main.get_command(make_app())
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    for name, rest in re.findall(r"workbench (sweep|compare|history) ([^\n;}`]*)", text):
        options = {option for p in group.commands[name].params for option in p.opts}
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in options, f"workbench {name} {option}"
