"""What counters say of a record: ratios, the limiter, stalls, and contradicted declarations."""

from __future__ import annotations

import pytest

from tests.profile.build_launch import launch
from tests.profile.build_run import make_record
from workbench.profile.derived import derive
from workbench.store.record import Record


def record(**fields: object) -> Record:
    declared = {"bytes": 1000, "launches": fields.pop("declared_launches", 1)}
    base = {"declared": declared, "least": {"bytes": 500}, "median_s": 2.0}
    return make_record(**{**base, **fields})  # type: ignore[arg-type]


def test_bytes_against_declared_least_and_ceiling() -> None:
    found = derive(record(), [launch(read=600, written=400)], {"copy_bytes_per_s": 1000.0})
    assert found.dram_bytes == 1000
    assert found.bytes_over_declared == 1
    assert found.bytes_over_least == 2
    assert found.bandwidth_bytes_per_s == 500, "counted bytes over the sweep's time, not the time under ncu"
    assert not found.bandwidth_under_profiler
    assert found.share_of_ceiling == 0.5
    assert found.contradictions == []


def test_without_a_time_the_bandwidth_is_that_under_the_profiler() -> None:
    found = derive(record(median_s=None), [launch(read=600, written=400, seconds=4.0)], {})
    assert found.bandwidth_bytes_per_s == 250
    assert found.bandwidth_under_profiler
    assert found.ceiling_bytes_per_s is None and found.share_of_ceiling is None


def test_missing_stays_missing() -> None:
    found = derive(record(), [launch(read=600)], {})
    assert found.dram_bytes is None
    assert found.bytes_over_declared is None
    assert found.occupancy_limiter is None
    assert found.stalls == []
    assert "dram_write_bytes" in found.missing


def test_the_limiter_is_what_allows_the_fewest_blocks() -> None:
    assert derive(record(), [launch(by_registers=4, by_shared=8, by_warps=16)], {}).occupancy_limiter == "registers"
    tied = derive(record(), [launch(by_registers=8, by_shared=8, by_warps=16)], {})
    assert tied.occupancy_limiter == "registers and shared memory"


def test_stalls_are_shares_of_a_warps_time() -> None:
    found = derive(record(), [launch(selected=1, long_scoreboard=6, barrier=1)], {})
    assert found.stalls == [("long scoreboard", 0.75), ("barrier", 0.125), ("selected", 0.125)]


@pytest.mark.parametrize(
    ("read", "l2", "contradicted"),
    [(1000, 0, False), (1099, 0, False), (1101, 0, True), (901, 0, False), (899, 0, True), (500, 450, False)],
)
def test_bytes_off_by_more_than_a_tenth_contradict_the_declaration(read: float, l2: float, contradicted: bool) -> None:
    """What the last writes leave in L2 is no contradiction."""
    found = derive(record(), [launch(read=read, written=0, l2=l2)], {}).contradictions
    assert bool(found) == contradicted
    if contradicted:
        assert "declares 1 kB of DRAM traffic" in found[0]


def test_launches_against_declared() -> None:
    assert derive(record(declared_launches=10), [launch()] * 11, {}).contradictions == []
    (text,) = derive(record(declared_launches=10), [launch()] * 12, {}).contradictions
    assert text == "declares 10 launches, 12 were counted"


def test_occupancy_by_the_build_facts_against_that_of_ncu() -> None:
    build = [{"arch": "sm_90", "kernel": "kernel", "occupancy_theoretical": 0.5}]
    assert derive(record(build=build), [launch(theoretical=50)], {}).contradictions == []
    (text,) = derive(record(build=build), [launch(theoretical=75)], {}).contradictions
    assert text == "kernel: theoretical occupancy is 50 % by the build facts, 75 % by ncu"
