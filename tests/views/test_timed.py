"""What a decision is made from, found first by a few columns, is what reading everything would have chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dashboard.synthetic import many_runs
from tests.views.build_records import SHAPE, met
from tests.views.build_records import timed as made
from workbench.store.new_run import create_run
from workbench.store.record import Machine, Record, Run, Status
from workbench.views.ablation import READ, cells
from workbench.views.best import PROBLEM, best_settings
from workbench.views.filter import Filter
from workbench.views.query import read_records
from workbench.views.ranking import ranking
from workbench.views.runs import RunSummary, list_summaries
from workbench.views.timed import first_of, timed

SCAN = Filter(operations=("scan",), dtypes=("float32",))


def written(profiles: Path, name: str, created: str, records: list[Record]) -> None:
    machines = [
        Machine(id="gpu", name="made GPU", backend="cuda"),
        Machine(id="test machine", name="made CPU", backend="cpu"),
    ]
    folder = create_run(profiles, Run(name=name, created=created, command=["made"], machines=machines))
    for record in records:
        folder.append(record)
    folder.finish()


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunSummary, ...]:
    """Three runs, the newest of which times one variant of two, and that one twice; a disturbed and a wrong record."""
    shaken = met(disturbed=9)
    one, other = {"memory": "direct"}, {"memory": "shared"}
    old = [made("a", 3e-6, factors=one, key="a"), made("b", 2e-6, factors=other, key="b")]
    middle = [
        made("a", 2.5e-6, factors=one, key="a"),
        made("b", 9e-6, factors=other, key="b").model_copy(update={"disturbance": shaken}),
    ]
    new = [
        made("a", 5e-6, factors=one, key="a-64", settings={"block": 64}),
        made("a", 4e-6, factors=one, key="a-128", settings={"block": 128}),
        made("a", 1e-6, factors=one, key="a-256", settings={"block": 256}).model_copy(
            update={"status": Status.INCORRECT, "time": None, "samples_s": []}
        ),
        made("c", 1.0e-6, factors={"peer": "yes"}, key="c"),
        made("a", 1e-6, factors=one, key="a-8", shape={**SHAPE, "T": 8}),
    ]
    for number, (name, records) in enumerate((("old", old), ("middle", middle), ("new", new))):
        written(tmp_path, name, f"2026-01-0{number + 1}T00:00:00Z", records)
    return list_summaries(tmp_path)


def test_each_variant_is_of_the_newest_run_that_timed_it(runs: tuple[RunSummary, ...]) -> None:
    order = [run.name for run in runs]
    found = timed(runs, SCAN).frame
    assert order == ["new", "middle", "old"] and set(found["device"]) == {"made CPU"}
    first = first_of(found, order, ("shape", "device", "variant"))
    at = first[first["shape"].str.contains(f'"T": {SHAPE["T"]},')]
    assert dict(zip(at["variant"], at["run"], strict=True)) == {"a": "new", "b": "middle", "c": "new"}
    chosen = read_records([run for run in runs if run.name in set(first["run"])], SCAN, samples=True)
    everything = read_records(runs, SCAN, samples=True)
    for shape in set(found["shape"]):
        few, all_ = (ranking(r.frame[r.frame["shape"] == shape], order) for r in (chosen, everything))
        assert few == all_ and few


def test_effects_come_from_the_first_run_that_timed_two_undisturbed(runs: tuple[RunSummary, ...]) -> None:
    order = [run.name for run in runs]
    frame = cells(read_records(runs, SCAN, only=READ).frame, order, {})
    assert set(frame["run"]) == {"old"} and set(frame["variant"]) == {"a", "b"}
    narrow = timed(runs, SCAN, ("factors", "disturbed")).frame
    assert narrow.loc[narrow["disturbed"], ["run", "variant"]].to_numpy().tolist() == [["middle", "b"]]


def test_the_fastest_of_each_is_what_all_of_them_would_have_given(runs: tuple[RunSummary, ...], tmp_path: Path) -> None:
    many_runs(tmp_path / "many", runs=2, records=600)
    for some in (runs, list_summaries(tmp_path / "many")):
        every, few = (read_records(some, Filter(), fastest=fastest).frame for fastest in (False, True))
        assert len(few) < len(every)
        by = ["run", *PROBLEM, "variant", "status", "time.median_s"]
        all_, own = (best_settings(rows)[by].sort_values(by).reset_index(drop=True) for rows in (every, few))
        assert own.equals(all_)


def test_nothing_timed_is_an_empty_frame_with_columns(runs: tuple[RunSummary, ...]) -> None:
    found = timed(runs, Filter(operations=("gate",)), ("factors",)).frame
    assert found.empty and {"run", "variant", "device", "factors"} <= set(found.columns)
