"""A case as a job: it travels as plain data, tells events in order, and its seeds decide inputs and order."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.catalog import load_catalog
from workbench.check.case import checked_sets, make_set, swapped_sets, timed_sets
from workbench.measure.interleave import interleave
from workbench.store.record import Seeds, Status
from workbench.sweep import group, run_case
from workbench.sweep.checking import all_sets
from workbench.sweep.events import Began, Ended, Event, Recorded, Samples, Spread
from workbench.sweep.jobs import CaseJob
from workbench.sweep.records import Candidate
from workbench.sweep.selection import Selection
from workbench.sweep.work import Work

FAULTY = Path(__file__).parent / "faulty"


def job(**fields: Any) -> CaseJob:
    selection = Selection(
        kernels=str(FAULTY), variants=("plain", "tuned", "wrong", "refuses"), preset="small",
        axes=(("n", (3000,)),), devices=("cpu",), **fields,
    )  # fmt: skip
    work = Work(selection, load_catalog(FAULTY))
    ((case, device),) = work.timed
    return work.job(case, device, {}, {}, {})


def test_a_job_that_has_travelled_tells_all_of_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[Any] = []

    def noting(series: Any, rule: Any, block_s: float, seed: int, *more: Any) -> None:
        orders.append(seed)
        interleave(series, rule, block_s, seed, *more)

    monkeypatch.setattr(group, "interleave", noting)
    travelled = pickle.loads(pickle.dumps(job(seed=5, seed_order=6)))
    events: list[Event] = []
    run_case.run_case(travelled, events.append)
    assert isinstance(events[0], Began) and isinstance(events[-1], Ended) and orders == [6]
    records = {e.record.variant: e.record for e in events if isinstance(e, Recorded)}
    assert {name: record.status for name, record in records.items()} == {
        "plain": Status.OK, "tuned": Status.OK, "wrong": Status.INCORRECT, "refuses": Status.UNSUPPORTED,
    }  # fmt: skip
    assert all(record.seeds == Seeds(inputs=5, order=6) for record in records.values())
    assert sum(isinstance(e, Spread) for e in events) == 1
    for record in (records["plain"], records["tuned"]):
        blocks = [e for e in events if isinstance(e, Samples) and e.key == record.key]
        assert [s for block in blocks for s in block.samples_s] == record.samples_s
        assert all(block.settings == record.settings for block in blocks)


def test_the_same_seed_gives_the_same_inputs_and_another_one_others() -> None:
    operation = load_catalog(FAULTY).operation("double")
    shape = job().shape

    def values(seed: int) -> list[Any]:
        timed, checked = timed_sets(operation, shape, seed), checked_sets(operation, seed)
        input_sets = dict.fromkeys((*timed, *checked, *swapped_sets(operation, timed, checked)))
        return [make_set(operation, shape, input_set)[0]["x"] for input_set in input_sets]

    first, again, other = values(7), values(7), values(8)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert len({a.tobytes() for a in (*first, *other, *values(-1), *values(0))}) == 4 * len(first)


def test_checks_without_a_clock_have_the_run_seed_too() -> None:
    catalog = load_catalog(FAULTY)
    kernel = catalog.variant("double/kernel")
    seeded = Candidate(kernel, catalog.operation_of(kernel), job().shape, "simulated", Seeds(inputs=7))
    assert {input_set.run_seed for input_set in all_sets(seeded)} == {7}
    assert seeded.record(Status.OK).seeds == Seeds(inputs=7, order=None)


def test_a_run_of_an_older_workbench_goes_on_in_its_order_and_with_its_inputs() -> None:
    data = Selection(seed=9).as_dict()
    del data["seed_order"]
    old = Selection.from_dict(data)
    assert (old.seed, old.seed_order) == (0, 9)
