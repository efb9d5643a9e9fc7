"""What binds a kernel, and the workbench's own reading of its counters."""

from __future__ import annotations

import pytest

from workbench.profile.diagnosis import LATENCY, binding, diagnosis
from workbench.store.launch import Launch


@pytest.mark.parametrize(
    ("values", "resource", "share"),
    [
        ({"dram_share": 0.85, "l2_share": 0.5, "issue_share": 0.2}, "DRAM", 0.85),
        # A share of the cycles in which few SMs worked is capped by their side's share of all cycles.
        ({"dram_share": 0.3, "issue_share": 0.9, "sm_share": 0.1, "memory_share": 0.3}, LATENCY, 0.3),
        # A pipe with no figure of its own: its side is named.
        ({"fma_share": 0.05, "issue_share": 0.4, "sm_share": 0.8}, "SM pipes", 0.8),
        ({"memory_share": 0.7}, "memory system", 0.7),
        ({"xu_share": 0.7, "sm_share": 0.72, "dram_share": 0.6}, "special-function pipe", 0.7),
    ],
)
def test_the_resource_that_binds(values: dict[str, float], resource: str, share: float) -> None:
    found = binding(values)
    assert found is not None and (found.resource, found.share) == (resource, pytest.approx(share))


def test_nothing_is_said_of_what_was_not_counted() -> None:
    assert binding({"registers": 32.0}) is None
    assert diagnosis([Launch("k", {"launch__registers_per_thread": 32.0}, {})]) == []


STALL = "smsp__average_warps_issue_stalled_{}_per_issue_active.ratio"
METRICS = {
    "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed": 9.0,
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": 4.0,
    STALL.format("barrier"): 6.0, STALL.format("selected"): 1.0, STALL.format("not_selected"): 30.0,
    "launch__grid_size": 10.0, "device__attribute_multiprocessor_count": 132.0,
    "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": 3200.0, "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum": 100.0,
    "smsp__inst_executed.sum": 1000.0, "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum": 400.0,
    "smsp__sass_inst_executed_op_local_ld.sum": 7.0, "smsp__sass_inst_executed_op_local_st.sum": 0.0,
    "smsp__thread_inst_executed_per_inst_executed.ratio": 11.0,
}  # fmt: skip


def test_sentences_name_what_is_wasted_and_what_is_waited_for() -> None:
    bound, grid, scattered, conflicts, spills, lanes = diagnosis([Launch("k", METRICS, {})] * 2)
    assert "no resource is used much (the most at 9 % of its peak)" in bound and "for barrier" in bound
    assert "not selected" not in bound, "a warp that could have issued does not wait"
    assert grid.startswith("10 blocks on 132 SMs"), "per launch, whatever their number"
    assert "32.0 sectors per load" in scattered and "store" not in scattered
    assert conflicts.startswith("800 bank conflicts in 2,000 instructions")
    assert spills.startswith("14 instructions on local memory") and lanes.startswith("11.0 of 32 lanes")


def test_a_sound_kernel_at_the_limit_has_one_sentence() -> None:
    metrics = {"dram__throughput.avg.pct_of_peak_sustained_elapsed": 91.0, "launch__grid_size": 9000.0,
               "smsp__thread_inst_executed_per_inst_executed.ratio": 32.0}  # fmt: skip
    (sentence,) = diagnosis([Launch("k", metrics, {})])
    assert sentence.startswith("bound by DRAM, at 91 % of its peak")
