"""Steps in the times of a variant: found where they are and nowhere else, hosts told apart, with what changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.views.build_records import met, timed
from workbench.cli import make_app
from workbench.problem import Problem
from workbench.statistics.steps import scatter, steps
from workbench.store.new_run import create_run
from workbench.store.record import Machine, Record, Run
from workbench.views.filter import Filter
from workbench.views.history import Step, points, steps_of
from workbench.views.query import read_records
from workbench.views.runs import list_summaries


def one_run(profiles: Path, day: int, record: Record, host: str = "alpha", compiler: str = "12") -> None:
    machine = Machine(
        id="test machine", name="a CPU", host=host, backend="cpu", noise_floor=0.01, versions={"compiler": compiler}
    )
    run = Run(
        name=f"{host}-{day:02}", created=f"2026-03-{day:02}T00:00:00+00:00", command=[], machines=[machine],
        environment={"commit": f"{day:012}"},
    )  # fmt: skip
    create_run(profiles, run).append(record)


def found_in(profiles: Path) -> list[Step]:
    runs = list_summaries(profiles)
    return steps_of(points(read_records(runs, Filter()).frame, runs), runs)


def history(profiles: Path, levels: Sequence[float], host: str = "alpha", **changes: str) -> None:
    """A run per level, a day each; from the first other level on with another compiler and other sources."""
    for day, level in enumerate(levels, start=1):
        new = level != levels[0]
        record = timed("simd", level, seed=day + 100 * (host == "beta"), noise=0.01, sources="b" if new else "a")
        one_run(profiles, day, record, host, changes["compiler"] if new and changes else "12")


def test_a_step_is_found_where_it_is_with_what_changed_on_each_host_by_itself(tmp_path: Path) -> None:
    history(tmp_path, [1.0] * 6 + [1.1] * 4, compiler="13")
    history(tmp_path, [2.0] * 8, host="beta")
    (step,) = found_in(tmp_path)
    assert (step.before["run"], step.after["run"], step.word, step.runs) == ("alpha-06", "alpha-07", "slower", 4)
    assert step.low < 1.1 < step.high and step.low > 1.05
    assert step.changed == ("its sources", "compiler 12 → 13")


def test_the_newest_run_alone_can_be_a_step_and_a_disturbed_one_never(tmp_path: Path) -> None:
    history(tmp_path, [1.0] * 7)
    one_run(tmp_path, 8, timed("simd", 3.0, disturbance=met(9)))
    assert found_in(tmp_path) == []
    one_run(tmp_path, 9, timed("simd", 0.8, seed=9))
    (step,) = found_in(tmp_path)
    assert (step.word, step.runs, step.after["run"]) == ("faster", 1, "alpha-09")


def test_few_runs_are_held_against_the_recorded_noise(tmp_path: Path) -> None:
    history(tmp_path, [1.0, 1.008, 1.2])
    (step,) = found_in(tmp_path)
    assert step.after["run"] == "alpha-03"


def test_scatter_alone_gives_few_steps_and_a_step_of_four_deviations_is_found() -> None:
    """Of 200 series of 40 values without a step at most 5 % show one; of as many with one, all but 5 % do, within two
    places of it."""
    random = np.random.default_rng(0)
    quiet = [random.standard_normal(40) for _ in range(200)]
    assert sum(bool(steps(list(one), max(scatter(list(one)), 1.0))) for one in quiet) <= 10
    stepped = [one + 4.0 * (np.arange(40) >= 25) for one in quiet]
    hits = [places for one in stepped if (places := steps(list(one), 1.0))]
    assert sum(min(abs(place - 25) for place in places) <= 2 for places in hits) >= 190
    assert steps([1.0, 2.0], 0.0) == [] == steps([1.0], 1.0), "nothing says what a step is"


def test_the_command_prints_series_and_steps(tmp_path: Path) -> None:
    history(tmp_path, [1.0] * 6 + [1.1] * 4)
    words = ["history", "scan/simd", "--T", "4096", "--profiles", str(tmp_path)]
    text = CliRunner().invoke(make_app(), words).output
    assert "slower, 1." in text and "between 000000000006 and 000000000007 (held for 4 runs" in text
    assert "10 runs on 1 host: 1 step found" in text
    (series,) = json.loads(CliRunner().invoke(make_app(), [*words, "--json"]).output)
    assert len(series["points"]) == 10 and series["steps"][0]["commit"] == "000000000007"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["simd"], "name one variant as OPERATION/VARIANT"),
        (["scan/sind"], "unknown variant sind: did you mean simd"),
        (["scan/simd", "--T", "5"], "no run of .* has timed it so; workbench sweep scan does"),
        (["scan/simd", "--host", "alhpa"], "unknown host alhpa: did you mean alpha"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, words: list[str], message: str) -> None:
    history(tmp_path, [1.0])
    with pytest.raises(Problem, match=message):
        done = CliRunner().invoke(make_app(), ["history", *words, "--profiles", str(tmp_path)])
        raise done.exception or AssertionError(done.output)
