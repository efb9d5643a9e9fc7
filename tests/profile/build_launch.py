"""Launches of made-up metrics for the tests of figures."""

from __future__ import annotations

from workbench.store.launch import Launch, Rule

NAMES = {
    "seconds": "gpu__time_duration.sum",
    "read": "dram__bytes_read.sum",
    "written": "dram__bytes_write.sum",
    "achieved": "sm__warps_active.avg.pct_of_peak_sustained_active",
    "theoretical": "sm__maximum_warps_per_active_cycle_pct",
    "by_registers": "launch__occupancy_limit_registers",
    "by_shared": "launch__occupancy_limit_shared_mem",
    "by_warps": "launch__occupancy_limit_warps",
    "waves": "launch__waves_per_multiprocessor",
    "blocks": "launch__grid_size",
    "l2": "device__attribute_l2_cache_size",
    "selected": "smsp__average_warps_issue_stalled_selected_per_issue_active.ratio",
    "long_scoreboard": "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio",
    "barrier": "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio",
}


def launch(kernel: str = "kernel", rules: tuple[Rule, ...] = (), **values: float) -> Launch:
    """A launch with the metrics of NAMES that are given, in base units."""
    return Launch(kernel, {NAMES[name]: float(value) for name, value in values.items()}, {}, rules=rules)
