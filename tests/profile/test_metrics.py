"""Figures of launches: alternatives, sums, means, and what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.profile.build_launch import launch
from tests.profile.test_read import V100, needs_v100
from workbench.profile.metrics import combined, figures, figures_of, groups, missing_figures
from workbench.profile.read import read_launches
from workbench.store.launch import Launch


def test_every_figure_says_what_it_means_and_what_good_looks_like() -> None:
    assert len(figures()) > 40
    for figure in figures().values():
        assert figure.meaning.endswith(".") and figure.good.endswith("."), figure.name
        assert figure.metrics or figure.terms, figure.name
        assert figure.combine in ("sum", "time_mean", "max", "min"), figure.name
    assert sum(map(len, groups().values())) == len(figures())


def test_the_first_metric_that_is_there_counts() -> None:
    old = Launch("k", {"gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed": 50.0}, {})
    both = Launch("k", {**old.metrics, "dram__throughput.avg.pct_of_peak_sustained_elapsed": 60.0}, {})
    assert figures_of(old)["dram_share"] == pytest.approx(0.5)
    assert figures_of(both)["dram_share"] == pytest.approx(0.6)
    sectors = Launch("k", {"dram__sectors_read.sum": 10.0}, {})
    assert figures_of(sectors)["dram_read_bytes"] == 320


def test_fp32_work_counts_a_fused_operation_twice() -> None:
    name = "smsp__sass_thread_inst_executed_op_{}_pred_on.sum.per_cycle_elapsed"
    per_cycle = {name.format("fadd"): 1.0, name.format("fmul"): 2.0, name.format("ffma"): 3.0}
    whole = Launch("k", {**per_cycle, "smsp__cycles_elapsed.avg.per_second": 1e9}, {})
    assert figures_of(whole)["fp32_flops_per_s"] == pytest.approx(9e9)
    without_one = Launch("k", {k: v for k, v in whole.metrics.items() if "ffma" not in k}, {})
    assert "fp32_flops_per_s" not in figures_of(without_one)


@given(st.lists(st.tuples(st.floats(1e-6, 1.0), st.floats(0, 100)), min_size=1, max_size=9))
def test_bytes_add_and_shares_are_means_by_time(launches: list[tuple[float, float]]) -> None:
    together = combined([launch(seconds=s, read=1e6, achieved=share) for s, share in launches])
    assert together["dram_read_bytes"] == pytest.approx(1e6 * len(launches))
    expected = sum(s * share for s, share in launches) / sum(s for s, _ in launches) / 100
    assert together["occupancy_achieved"] == pytest.approx(expected, abs=1e-12)


def test_a_sum_over_some_of_the_launches_does_not_pass_for_the_whole() -> None:
    launches = [launch(seconds=1, read=5), launch(seconds=1)]
    assert "dram_read_bytes" not in combined(launches)
    assert "dram__bytes_read.sum" in missing_figures(launches)["dram_read_bytes"]
    assert combined(launches)["duration_s"] == 2


def test_nothing_is_made_of_nothing() -> None:
    assert combined([]) == {}
    assert set(missing_figures([])) == set(figures())


@needs_v100
def test_the_figures_of_the_v100_report() -> None:
    launches = list(read_launches(V100))
    assert set(missing_figures(launches)) == {"blocks_limit_barriers"}
    third = combined(launches[2:3])
    assert third["occupancy_achieved"] == pytest.approx(0.4835, abs=1e-4)
    assert third["registers"] == 64
    assert third["dram_peak_bytes_per_s"] == pytest.approx(898e9, rel=1e-3)
