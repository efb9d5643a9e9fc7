"""Derived figures: from facts and the ceilings of the record's own machine, computed when records are read."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.views.build_records import failed, timed
from workbench.declare import Cost
from workbench.model.floor import floor, limits_of
from workbench.store.record import Bounds, Machine, OperationFacts, Record, Run, Status, VariantFacts, Work
from workbench.views.flat import frame_of

CEILINGS = {
    "copy_bytes_per_s": 1e12, "fma_flops_per_s": 1e12, "matmul_flops_per_s": 1e12, "exp_per_s": 1e12,
    "step_latency_s": 1e-9, "launch_s": 1e-6,
}  # fmt: skip
WORK = Work(bytes=2_000_000, flops=1_000_000, matrix_flops=0, special=0, launches=3, serial_steps=10)
LEAST = Work(bytes=1_000_000)


def run(**fields: Any) -> Run:
    machine = Machine(id="test machine", name="a device", ceilings=CEILINGS, noise_floor=0.02)
    return Run(**{"name": "r", "created": "", "command": [], "machines": [machine], **fields})


def row(record: Record, of: Run) -> pd.Series:
    return frame_of([record], of).iloc[0]


def test_rates_floor_and_shares_follow_from_the_facts() -> None:
    found = row(timed("serial", 4e-6, noise=0.0, declared=WORK, least=LEAST), run())
    assert (found["device"], found["noise_floor"]) == ("a device", 0.02)
    assert found["bandwidth_bytes_per_s"] == pytest.approx(5e11)
    assert found["flops_per_s"] == pytest.approx(2.5e11)
    assert (found["floor_s"], found["floor_bound_by"]) == (pytest.approx(3e-6), "launches")
    assert found["share_of_floor"] == pytest.approx(0.75)
    assert found["share_of_ceiling"] == pytest.approx(0.5), "bandwidth is the busiest rate, though launches bind"
    assert found["limit_s"] == pytest.approx(1e-6)
    assert found["share_of_limit"] == pytest.approx(0.25)


def test_kept_bytes_are_those_of_a_backward_pass_and_missing_of_others() -> None:
    back = timed("serial", 4e-6, declared=WORK.model_copy(update={"kept_bytes": 1_500_000}), least=LEAST)
    assert row(back, run())["kept_bytes"] == 1_500_000
    for nothing in (WORK, WORK.model_copy(update={"kept_bytes": 0})):
        assert pd.isna(row(timed("serial", 4e-6, declared=nothing, least=LEAST), run())["kept_bytes"])


def test_the_frame_and_a_single_cost_have_one_floor() -> None:
    cost = Cost(**{name: getattr(WORK, name) or 0 for name in Work.model_fields})
    alone = floor(cost, limits_of(CEILINGS, "float32"))
    found = row(timed("serial", 4e-6, declared=WORK), run())
    assert alone is not None and (found["floor_s"], found["floor_bound_by"]) == (alone.seconds, alone.bound_by)


def test_a_record_without_a_time_keeps_its_bounds() -> None:
    found = row(failed("serial", Status.INCORRECT, "off", declared=WORK), run())
    assert found["floor_s"] == pytest.approx(3e-6)
    assert found[["bandwidth_bytes_per_s", "share_of_floor", "share_of_ceiling"]].isna().all()


def test_without_ceilings_there_are_rates_and_no_shares() -> None:
    for of in (run(machines=[]), run(machines=[Machine(id="test machine", name="a device")])):
        found = row(timed("serial", 4e-6, noise=0.0, declared=WORK), of)
        assert found["bandwidth_bytes_per_s"] == pytest.approx(5e11)
        assert found[["floor_s", "floor_bound_by", "limit_s", "share_of_floor", "share_of_ceiling"]].isna().all()


def test_each_record_is_held_against_its_own_machine() -> None:
    """A CPU's scan beside a GPU's: at the GPU's ceilings it would have a hundredth of its share."""
    gpu = Machine(id="cuda", name="a GPU", ceilings={"copy_bytes_per_s": 1e12})
    cpu = Machine(id="cpu", name="a CPU", ceilings={"copy_bytes_per_s": 1e10})
    on_gpu = timed("ring", 1e-4, noise=0.0, declared=Work(bytes=90_000_000), machine="cuda", backend="cuda")
    on_cpu = timed("streaming", 1e-2, noise=0.0, declared=Work(bytes=90_000_000), machine="cpu")
    found = frame_of([on_gpu, on_cpu], run(machines=[gpu, cpu]))
    assert list(found["share_of_floor"]) == [pytest.approx(0.9), pytest.approx(0.9)]
    assert list(found["device"]) == ["a GPU", "a CPU"]


def test_bounds_that_an_older_workbench_recorded_stand() -> None:
    bounds = Bounds(floor_s=2e-6, floor_bound_by="matrix", limit_s=1e-6, busiest_s=1e-6)
    found = row(timed("serial", 4e-6, noise=0.0, declared=WORK, bounds=bounds), run())
    assert (found["floor_s"], found["floor_bound_by"], found["limit_s"]) == (2e-6, "matrix", 1e-6)
    assert found["share_of_ceiling"] == pytest.approx(0.25)


def test_the_run_explains_its_variants_itself() -> None:
    serial = VariantFacts(name="serial", rung=7, idea="a thread per channel")
    catalogue = [OperationFacts(name="scan", baseline="serial", variants=[serial])]
    found = frame_of([timed("serial", 1.0), timed("strange", 1.0)], run(catalogue=catalogue))
    assert list(found["rung"].astype("object").where(found["rung"].notna(), None)) == [7, None]
    assert found.iloc[0]["idea"] == "a thread per channel" and bool(found.iloc[0]["baseline"])
