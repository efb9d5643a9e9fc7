"""Bytes come from where they lie: cold ones from memory, hot ones from the nearest cache that can have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.views.build_records import timed
from workbench.model.figures import UNEXPLAINED
from workbench.model.levels import cold_rate, fits_in, hot_seconds
from workbench.show.pictures.ladder import moved
from workbench.show.table_html import as_html
from workbench.store.record import CeilingsMeasured, HotTime, Machine, Record, Run, Work
from workbench.views.flat import frame_of

CACHES = {"L1": 100, "L2": 900, "L3": 9_000}
CEILINGS = {
    "read_bytes_per_s": 20.0, "copy_bytes_per_s": 10.0, "copy_nt_bytes_per_s": 15.0, "l1_copy_bytes_per_s": 1000.0,
    "l2_copy_bytes_per_s": 300.0, "l2_read_bytes_per_s": 400.0, "l3_copy_bytes_per_s": 100.0,
}  # fmt: skip
MACHINE = Machine(id="test machine", name="a CPU", caches=CACHES, ceilings=CEILINGS)


def seconds(moved: float, working_set: float, allocated: float = 0.0) -> float:
    found = hot_seconds(np.array([moved]), np.array([allocated]), np.array([working_set]), MACHINE)
    return float(found[0])


@pytest.mark.parametrize(
    ("working_set", "expected"),
    [
        (50, 1.0),  # all in L1
        (200, 1.25),  # half of it may be in L1, the other half comes from L2 at 400 bytes per second
        (1000, 2.25),  # nine tenths from L2
        (2000, 5.0),  # 1,000 of 2,000 bytes cannot be in L1 or L2 together
        (20_000, 25.0),  # half from memory, by its fastest way
    ],
)
def test_a_hot_set_takes_its_bytes_from_where_they_can_be(working_set: float, expected: float) -> None:
    assert seconds(1000.0, working_set) == pytest.approx(expected)


def test_the_bound_grows_with_the_set_and_never_jumps() -> None:
    sizes = np.geomspace(10, 1e6, 400)
    found = np.array([seconds(1000.0, size) for size in sizes])
    assert (np.diff(found) >= 0).all() and found[0] == 1.0 and found[-1] == pytest.approx(50.0, rel=0.02)
    assert (found[1:] / found[:-1]).max() < 1.2


def test_write_allocate_reads_are_moved_by_memory_alone() -> None:
    assert seconds(400.0, 50, allocated=100.0) == pytest.approx(0.3)
    assert seconds(400.0, 1e9, allocated=100.0) == pytest.approx(20.0, rel=1e-3)


def test_what_is_flushed_needs_memory_to_read_and_what_rotates_to_write_too() -> None:
    assert cold_rate(MACHINE, "cold") == 20.0 and cold_rate(MACHINE, "rotated") == 15.0
    gpu = Machine(id="cuda", name="a GPU", ceilings=CEILINGS)
    assert cold_rate(gpu, "cold") == 15.0, "a GPU's L2 is flushed, and its caches are not in the model"


def test_a_working_set_is_named_after_the_nearest_level() -> None:
    assert [fits_in(size, CACHES) for size in (100, 101, 9000, 9001)] == ["L1", "L2", "L3", "memory"]
    assert fits_in(100, {}) == "" and fits_in(float("nan"), CACHES) == ""


def record(cold_s: float, hot_s: float | None = None, working_set: int | None = 50, **fields: Any) -> Record:
    made = timed("simd", cold_s, noise=0.0, declared=Work(bytes=400, write_allocate=100), least=Work(bytes=300))
    assert made.time is not None
    time = made.time.model_copy(update={"cache": "cold", "working_set_bytes": working_set})
    hot = None
    if hot_s is not None:
        times = dict.fromkeys(("median_s", "low_s", "high_s", "minimum_s"), hot_s)
        hot = HotTime(time=time.model_copy(update={**times, "cache": "hot"}), samples_s=[hot_s] * 5)
    return made.model_copy(update={"time": time, "hot": hot, **fields})


def row(one: Record, machine: Machine = MACHINE) -> pd.Series:
    return frame_of([one], Run(name="r", created="", command=[], machines=[machine])).iloc[0]


def test_cold_and_hot_are_two_figures_with_their_own_bounds() -> None:
    found = row(record(40.0, 0.6))
    assert found["lives_in"] == "memory" and found["hot.lives_in"] == "L1" and found["hot.median_s"] == 0.6
    assert found["share_of_limit"] == pytest.approx(300 / 20 / 40)
    assert found["share_of_floor"] == pytest.approx(400 / 20 / 40), "what is allocated comes from memory as well"
    assert found["hot.share_of_limit"] == found["hot.share_of_floor"] == pytest.approx(0.5)
    assert pd.isna(found["over"])
    assert pd.isna(row(record(40.0))["hot.median_s"])


def test_more_than_can_be_has_a_reason() -> None:
    assert row(record(10.0))["over"] == UNEXPLAINED
    assert pd.isna(row(record(300 / 20 / 1.02, declared=Work(bytes=300)))["over"]), (
        "100 % as far as clocks are good for"
    )
    assert row(record(18.0))["over"] == "the variant declares more bytes or operations than it needs"
    assert row(record(40.0, 0.1))["over"] == UNEXPLAINED
    assert "may lie in a cache" in row(record(10.0, working_set=None))["over"]
    assert "outputs may stay in L2" in row(record(10.0, backend="cuda"))["over"]
    under_load = CeilingsMeasured(when="start", rates=CEILINGS, under_load=["copy_bytes_per_s"])
    assert "measured under load" in row(record(10.0), MACHINE.model_copy(update={"measurements": [under_load]}))["over"]
    wide = record(10.0)
    assert wide.time is not None
    wide = wide.model_copy(update={"time": wide.time.model_copy(update={"high_s": 30.0})})
    assert row(wide)["over"] == "within the 95 % interval of the time"


def test_more_than_can_be_is_marked_and_drawn_where_it_lies() -> None:
    rows = frame_of([record(5.0), record(40.0, key="another", variant="scalar")], Run(
        name="r", created="", command=[], machines=[MACHINE]
    ))  # fmt: skip
    plot = str(moved(rows, {}))
    assert "over 100 %: not explained" in plot and "400 %" in plot and "#d6402b" in plot
    table = str(as_html(rows, ["variant", "share_of_limit", "over"]))
    assert table.count('class="number over"') == 1 and "▲ 300" in table
