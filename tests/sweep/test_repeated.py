"""What is timed a second time at the end of a run: the baseline of a case, or its fastest where that takes long."""

from __future__ import annotations

import pytest

from tests.kernels.executed import catalog
from tests.views.build_records import failed, timed
from workbench.declare import Shape
from workbench.store.record import Record, Status
from workbench.sweep.jobs import Begun, VariantJob
from workbench.sweep.records import Candidate
from workbench.sweep.repeated import again, repeatable
from workbench.sweep.selection import Case, Selection
from workbench.sweep.work import Work

CATALOG = catalog()
SCAN = CATALOG.operation("scan")
SHAPE = Shape.of("float32", B=4, T=64, H=33)
VARIANTS = tuple(v for v in CATALOG.select(["scan"]) if "cpu" in v.devices)
CASE = Case(SCAN, SHAPE, VARIANTS)


def done(**seconds: float) -> dict[str, Record]:
    keys = {v.name: Candidate(v, SCAN, SHAPE, "cpu").key for v in VARIANTS}
    return {keys[name]: timed(name, s, key=keys[name], noise=0.0) for name, s in seconds.items()}


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"eager": 0.05, "simd": 0.001}, "eager"),
        ({"eager": 5.0, "simd": 0.001, "scalar": 0.002}, "simd"),
        ({"simd": 0.001}, "simd"),
    ],
)
def test_the_baseline_is_timed_again_unless_it_takes_long(seconds: dict[str, float], chosen: str) -> None:
    found = repeatable(CASE, "cpu", done(**seconds))
    assert found is not None and found.variant == chosen


def test_a_case_without_a_time_has_nothing_to_repeat() -> None:
    key = Candidate(VARIANTS[0], SCAN, SHAPE, "cpu").key
    assert repeatable(CASE, "cpu", {}) is None
    assert repeatable(CASE, "cpu", {key: failed(VARIANTS[0].name, Status.CRASHED, "x", key=key)}) is None


def test_it_is_timed_with_the_settings_that_it_had() -> None:
    (key, record), *_ = done(simd=0.001).items()
    record = record.model_copy(update={"settings": {"slice": 512}})
    whole = Work(Selection(operations=("scan",), preset="small"), CATALOG).job(CASE, "cpu", {}, {}, {})
    job = again(whole, record)
    assert len(whole.variants) > 1 and job.case == whole.case
    assert job.variants == (VariantJob(key, "simd", {}, Begun({"slice": 512})),), "none of its old samples count"
