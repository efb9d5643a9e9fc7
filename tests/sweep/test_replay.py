"""A recorded run told again: a sweep's way of writing, going on and showing, without a kernel or a clock."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.views.build_records import timed
from workbench.catalog import load_catalog
from workbench.cli.ladder_table import print_ladder_json
from workbench.execute.this_machine import gpu_name
from workbench.problem import Problem
from workbench.store.new_run import create_run
from workbench.store.record import BuildFact, CeilingsMeasured, Disturbance, Machine, Record, Run, Seeds, Status
from workbench.store.run_folder import RunFolder, open_run
from workbench.sweep.events import Began, Ended, Event, Recorded, Samples
from workbench.sweep.jobs import CaseJob
from workbench.sweep.journal import begun_in
from workbench.sweep.progress import Silent
from workbench.sweep.replay import Replay
from workbench.sweep.selection import Selection
from workbench.sweep.session import continue_run
from workbench.sweep.start import start_run
from workbench.sweep.work import Work

SELECTION = Selection(
    kernels=str(Path(__file__).parent / "faulty"), variants=("plain", "torch", "tuned", "kernel"), preset="small",
    axes=(("n", (3000, 4000)),), devices=("cpu",), seed=3, seed_order=4,
)  # fmt: skip
CASES = 2


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of two cases with three variants each, and a CUDA variant that was simulated."""
    return record(SELECTION, tmp_path_factory.mktemp("recorded"))


def record(selection: Selection, profiles: Path) -> RunFolder:
    """A finished run of that selection, made up."""
    work = Work(selection, load_catalog(selection.folder))
    keys = [
        (job, one)
        for case, device in work.timed
        for job in [work.job(case, device, {}, {}, {})]
        for one in job.variants
    ]
    spreads = {job.case: 0.01 for job, _ in keys}
    rates = {"copy_bytes_per_s": 2e10}
    cpu = Machine(
        id="cpu", name="another machine", host="elsewhere", backend="cpu", ceilings=rates, spreads=spreads,
        noise_floor=0.01, measurements=[CeilingsMeasured(when=when, rates=rates) for when in ("start", "end")],
    )  # fmt: skip
    simulated = Machine(id="simulated", name="simulated", backend="simulated")
    run = Run(
        name="recorded", created="2026-01-01", command=["workbench"], machines=[cpu, simulated],
        selection=selection.as_dict(), environment={"commit": "0123"},
    )  # fmt: skip
    folder = create_run(profiles, run)
    for number, (job, one) in enumerate(keys):
        shape = {**job.shape.as_dict(), "dtype": job.shape.dtype}
        met = Disturbance(blocks=4, disturbed=0, repeated=1)
        more: dict[str, Any] = {
            "machine": "cpu",
            "disturbance": met,
            "seeds": Seeds(inputs=3, order=4),
            "sources": "abc",
        }
        folder.append(
            timed(one.name, 1e-3 * (number + 1), key=one.key, operation="double", shape=shape, seed=number, **more)
        )
    for one in work.simulated:
        fact = BuildFact(arch="sm_90", kernel="double_it", registers=32)
        folder.append(one.candidate.record(Status.OK, build=[fact], sources="def"))
    folder.finish()
    return open_run(folder.path)


def replayed(recorded: RunFolder, profiles: Path, name: str = "again") -> RunFolder:
    runner = Replay(recorded)
    folder = start_run(runner.selection(), profiles, name, runner)
    continue_run(folder, Silent(), runner)
    return open_run(folder.path)


def by_key(folder: RunFolder) -> dict[str, Record]:
    records = {record.key: record for record in folder.records()}
    assert len(records) == len(folder.records()), "one of each"
    return records


def test_a_replay_is_a_run_with_the_same_records_and_machines(
    recorded: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = replayed(recorded, tmp_path)
    assert folder.run.finished and by_key(folder) == by_key(recorded) and len(folder.records()) == 3 * CASES + 1
    assert folder.run.machines == recorded.run.machines, "nothing is called measured here that was not"
    assert folder.run.environment == {"commit": "0123", "replay_of": "recorded"}
    print_ladder_json(folder)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["run"]["selection"]["seed"], shown["run"]["selection"]["seed_order"]) == (3, 4)
    assert {tuple((r["seeds"] or {}).values()) for r in shown["records"]} == {(3, 4), (3, None)}


@pytest.mark.skipif(gpu_name() is not None, reason="a GPU is here")
def test_a_run_of_a_large_gpu_is_replayed_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never_fits(*_: object) -> None:
        raise Problem("does not fit")

    selection = dataclasses.replace(SELECTION, variants=("kernel",), devices=("cuda",))
    work = Work(selection, load_catalog(selection.folder))
    gpu = Machine(id="cuda", name="a GPU", backend="cuda", ceilings={"copy_bytes_per_s": 4e12})
    run = Run(name="far", created="2026-01-01", command=["workbench"], machines=[gpu], selection=selection.as_dict())
    folder = create_run(tmp_path / "far", run)
    for case, device in work.timed:
        (one,) = work.job(case, device, {}, {}, {}).variants
        shape = {**case.shape.as_dict(), "dtype": case.shape.dtype}
        fields = {"operation": "double", "machine": "cuda", "backend": "cuda", "sources": "abc", "timer": "cuda_event"}
        folder.append(timed("kernel", 1e-5, key=one.key, shape=shape, **fields))
    folder.finish()
    monkeypatch.setattr("workbench.sweep.runner.require_fit", never_fits)
    again = replayed(open_run(folder.path), tmp_path / "near")
    assert by_key(again) == by_key(folder) and again.run.machine("cuda").ceilings == gpu.ceilings
    with pytest.raises(Problem, match="does not fit"):
        start_run(selection, tmp_path / "near", "measured")
    monkeypatch.undo()
    with pytest.raises(Problem, match="no NVIDIA GPU"):
        start_run(selection, tmp_path / "near", "measured")


class Cut(Replay):
    """Ends in the middle: `now` is asked before each event, and answers whether the power goes."""

    def __init__(self, recorded: RunFolder, now: Callable[[Event], bool]) -> None:
        super().__init__(recorded)
        self._now = now

    def time(self, jobs: Any, take: Callable[[CaseJob, Event], None]) -> None:
        def cut(job: CaseJob, event: Event) -> None:
            if self._now(event):
                raise KeyboardInterrupt
            take(job, event)

        super().time(jobs, cut)


@pytest.mark.parametrize("after", [0, 1, 5, 13, 14, 18, 21, 30])
def test_a_replay_that_is_cut_off_goes_on_and_loses_nothing(recorded: RunFolder, tmp_path: Path, after: int) -> None:
    events: list[Event] = []

    def now(event: Event) -> bool:
        events.append(event)
        return len(events) > after

    folder = start_run(SELECTION, tmp_path, "cut", Replay(recorded))
    with pytest.raises(KeyboardInterrupt):
        continue_run(folder, Silent(), Cut(recorded, now))
    told, done = events[:after], by_key(open_run(folder.path))
    blocks = [entry for entry in folder.journal_entries() if "samples_s" in entry]
    assert len(blocks) == sum(isinstance(event, Samples) for event in told)
    ended = 3 * sum(isinstance(event, Ended) for event in told)
    assert sum(r.time is not None for r in done.values()) == ended, "records of a case come together, or not at all"
    again: list[Event] = []
    continue_run(open_run(folder.path), Silent(), Cut(recorded, lambda event: bool(again.append(event))))
    assert by_key(open_run(folder.path)) == by_key(recorded)
    # What was on disk was not asked for again.
    samples = sum(len(event.samples_s) for event in (*told, *again) if isinstance(event, Samples))
    assert samples == sum(len(record.samples_s) for record in recorded.records())


class Loses(Cut):
    """A machine is gone after a few blocks and a record, and another takes over."""

    def time(self, jobs: Any, take: Callable[[CaseJob, Event], None]) -> None:
        key = jobs[0].variants[0].key
        take(jobs[0], Began())
        take(jobs[0], Samples(key, {}, [7.0, 7.0], 14.0, disturbed=True))
        take(jobs[0], Recorded(self._record(key).model_copy(update={"reason": "of a machine that is gone"})))
        super().time(jobs, take)


@pytest.mark.parametrize("after", [6, 1000])
def test_of_an_attempt_that_was_lost_nothing_counts(recorded: RunFolder, tmp_path: Path, after: int) -> None:
    """Whether the second one comes through, or the whole sweep is cut off during it and goes on."""
    left = iter(range(after))
    folder = start_run(SELECTION, tmp_path, "lost", Replay(recorded))
    with pytest.raises(KeyboardInterrupt) if after < 1000 else contextlib.nullcontext():
        continue_run(folder, Silent(), Loses(recorded, lambda event: next(left, None) is None))
    if after < 1000:
        samples = [s for begun in begun_in(folder.journal_entries()).values() for s in begun.samples_s]
        assert samples and 7.0 not in samples
        continue_run(open_run(folder.path), Silent(), Replay(recorded))
    assert by_key(open_run(folder.path)) == by_key(recorded)


class Moves(Cut):
    """Every case is begun on one machine, which is lost, and done on another."""

    def time(self, jobs: Any, take: Callable[[CaseJob, Event], None]) -> None:
        for job in jobs:
            first = job.done_on("cpu@a")
            take(first, Began(Machine(id="cpu@a", name="a", backend="cpu")))
            take(first, Samples(job.variants[0].key, {}, [7.0, 7.0], 14.0, disturbed=False))

            def elsewhere(job: CaseJob, event: Event) -> None:
                match event:
                    case Began():
                        event = Began(Machine(id="cpu@b", name="b", backend="cpu"))
                    case Recorded():
                        event = Recorded(event.record.model_copy(update={"machine": "cpu@b", "attempt": 2}))
                take(job, event)

            super().time([job.done_on("cpu@b")], elsewhere)


@pytest.mark.parametrize("after", [3, 9, 1000])
def test_samples_of_two_machines_never_make_a_record(recorded: RunFolder, tmp_path: Path, after: int) -> None:
    """A case that goes on elsewhere begins anew: in the run, and where the run was cut off and goes on."""
    left = iter(range(after))
    folder = start_run(SELECTION, tmp_path, "moved", Replay(recorded))
    with pytest.raises(KeyboardInterrupt) if after < 1000 else contextlib.nullcontext():
        continue_run(folder, Silent(), Moves(recorded, lambda event: next(left, None) is None))
    if after < 1000:
        begun = begun_in(folder.journal_entries())
        assert begun and {one.machine for one in begun.values()} == {"cpu@b"}
        continue_run(open_run(folder.path), Silent(), Replay(recorded))
    found = by_key(open_run(folder.path))
    moved = [record for record in found.values() if record.machine == "cpu@b"]
    assert bool(moved) == (after == 1000) and all(record.attempt == 2 for record in moved)
    same = {"machine": "cpu", "attempt": 1}
    assert {key: r.model_copy(update=same if r in moved else {}) for key, r in found.items()} == by_key(recorded)
    ids = {machine.id: machine for machine in open_run(folder.path).run.machines}
    assert {"cpu@a", "cpu@b"} < set(ids) and bool(ids["cpu@b"].spreads) == (after == 1000)
    assert not ids["cpu@a"].spreads, "nothing of a lost attempt counts"


def test_a_replay_of_another_selection_is_a_line(recorded: RunFolder, tmp_path: Path) -> None:
    selection = dataclasses.replace(SELECTION, axes=(("n", (5000,)),))
    folder = start_run(selection, tmp_path, "other", Replay(recorded))
    with pytest.raises(Problem, match=r"^recorded has no record double\.plain\.n5000\.[^ ]*: it was made from another"):
        continue_run(folder, Silent(), Replay(recorded))
