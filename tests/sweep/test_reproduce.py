"""An experiment's sweeps are ordinary runs, which go on where they were cut off: replayed from a recorded run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.experiments import Experiment, Sweep
from workbench.problem import Problem
from workbench.store.record import Record, Status
from workbench.store.run_folder import open_run
from workbench.sweep.checking import CheckJob
from workbench.sweep.progress import Progress, Silent
from workbench.sweep.replay import Replay
from workbench.sweep.reproduce import resume_experiment, run_experiment, runs_of
from workbench.sweep.selection import Selection

RECORDED = open_run(Path(__file__).parents[2] / "profiles" / "cpu-experiment")
SWEEP = {"operations": ["scan"], "passes": ["forward"], "variants": ["eager", "simd"]}
EXPERIMENT = Experiment.model_validate({
    "name": "own", "title": "own", "source": "a paper",
    "sweeps": [
        {"name": "short", "axes": {"B": [1], "T": [64, 128], "H": [256]}, **SWEEP},
        {"name": "long", "axes": {"B": [1], "T": [1024], "H": [256]}, **SWEEP},
    ],
    "series": [{"name": "fast", "variants": ["scan/simd"]}],
})  # fmt: skip


class Cut(Silent):
    """Ends the first sweep in its middle."""

    def step(self, text: str, parts: float = 1.0) -> None:
        if "simd" in text:
            raise KeyboardInterrupt


def test_sweeps_are_runs_that_go_on(tmp_path: Path) -> None:
    base = Selection(devices=("cpu",))
    with pytest.raises(KeyboardInterrupt):
        run_experiment(EXPERIMENT, "x", True, base, tmp_path, Cut(), Replay(RECORDED))
    begun = runs_of(EXPERIMENT, "x", tmp_path)
    assert [(one.path.name, one.run.finished) for one in begun] == [("x-short", False), ("x-long", False)]
    done = resume_experiment(EXPERIMENT, "x", tmp_path, Silent(), Replay(RECORDED))
    assert [one.run.finished for one in done] == [True, True]
    sizes = [sorted({(r.variant, r.axes["T"]) for r in one.records()}) for one in done]
    assert sizes == [[("eager", 64), ("eager", 128), ("simd", 64), ("simd", 128)], [("eager", 1024), ("simd", 1024)]]


def test_a_growth_of_errors_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are on disk as they come, and what is there is not made again."""
    grown = EXPERIMENT.model_copy(
        update={
            "sweeps": (
                Sweep(
                    name="scan",
                    operations=("scan",),
                    variants=("ring", "eager"),
                    is_growth=True,
                    quick={"T": (32, 128)},
                ),
            )
        }
    )
    asked: list[list[str]] = []

    def check(jobs: list[CheckJob], _: Path, __: float, ___: Progress, on_record: Callable[[Record], None]) -> None:
        asked.append([job.candidate.key for job in jobs])
        for place, job in enumerate(jobs):
            if len(asked) == 1 and place == 3:
                raise KeyboardInterrupt
            on_record(job.candidate.record(Status.OK))

    monkeypatch.setattr("workbench.sweep.growth.check_jobs", check)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(grown, "x", True, Selection(), tmp_path, Silent())
    (begun,) = runs_of(grown, "x", tmp_path)
    assert not begun.run.finished and [record.key for record in begun.records()] == asked[0][:3]
    (done,) = resume_experiment(grown, "x", tmp_path, Silent())
    assert done.run.finished and asked[1] == asked[0][3:]
    assert {record.key for record in done.records()} == set(asked[0]) and len(asked[0]) == 4
    assert all(record.sources for record in done.records())


def test_a_quick_run_leaves_out_what_takes_long(tmp_path: Path) -> None:
    short, long = EXPERIMENT.sweeps
    experiment = EXPERIMENT.model_copy(update={"sweeps": (short, long.model_copy(update={"full_only": True}))})
    base = Selection(devices=("cpu",))
    done = run_experiment(experiment, "x", True, base, tmp_path, Silent(), Replay(RECORDED))
    assert [one.path.name for one in done] == ["x-short"]


def test_what_cannot_go_on_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="nope: no run there"):
        resume_experiment(EXPERIMENT, "nope", tmp_path, Silent())
    growth = RECORDED.path.parent
    with pytest.raises(Problem, match="no run of a sweep that could go on"):
        resume_experiment(EXPERIMENT, "error-growth", growth, Silent())
