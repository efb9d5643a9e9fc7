"""Held against a GPU: launches of the catalogue as an H200 counted them, run again from the machine code in reports.

reports/h200 was profiled on an NVIDIA H200 (driver 580.159.04) with Nsight Compute 2025.3, --clock-control none; each
report lies beside the recipes of its launches (workbench/profile/conform.py).
"""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path

import pytest

from workbench.catalog import load_catalog
from workbench.profile.conform import conform
from workbench.profile.launched import Programs, launches_of_report, opcode_of

pytestmark = pytest.mark.sliced

REPORTS = Path(__file__).parent / "reports" / "h200"
TRUE_GUARDS = "thread_inst_executed_true, by instruction"
SECTORS = ("memory_l2_theoretical_sectors_global", "memory_l2_theoretical_sectors_global_ideal")
WAVEFRONTS = tuple(f"memory_l1_wavefronts_shared{end}, by instruction" for end in ("", "_ideal"))
KNOWN = {
    # Guarded loads of single values that lie 16 bytes apart: the device takes them for fuller than their lanes are.
    "gate.fused_shared.": {f"{SECTORS[1]}, by instruction", SECTORS[1], f"derived__{SECTORS[0]}_excessive"},
    # The kernel reads what a library computed, which is not computed again: signs decide a predicate.
    "gate.batched.": {TRUE_GUARDS},
    "gate.batched_vector.": {TRUE_GUARDS},
    # Two of sixteen asynchronous copies count up to 2.5 % less than their lanes ask for.
    "scan.ring.": {f"{name}, by instruction" for name in SECTORS} | set(WAVEFRONTS) | set(SECTORS),
    # Copies of rows that end inside a tile take 16 wavefronts, not the pattern's 4; guards of a loop that waits.
    "minlstm_scan.ring.": {TRUE_GUARDS, *WAVEFRONTS},
    # Whether a warp is together again behind a loop in which one lane waits.
    "minlstm_scan.look_back_free.": {
        "inst_executed, by instruction", "thread_inst_executed, by instruction", TRUE_GUARDS, *WAVEFRONTS,
    },
}  # fmt: skip
"""Where device and simulator do not agree in what should be equal, and why as far as that is known."""
STORED, ENOUGH_WRITTEN = "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", 8e6
LEAST_COUNTERS = 30
"""Of each launch are compared; a report has 33 to 42 that the simulator counts too."""
SLICE = {"forward": "scan.", "backward": "gate.", "cells": "", "large": "b4-t1024-h512"}
"""Of each report in every run of the tests; all of it with WORKBENCH_FUZZ."""


def unpacked(name: str, folder: Path) -> Path:
    report = folder / f"{name}.ncu-rep"
    report.write_bytes(lzma.decompress((REPORTS / f"{name}.ncu-rep.xz").read_bytes()))
    return report


@pytest.mark.parametrize("name", SLICE)
def test_every_counter_that_should_be_equal_is(name: str, tmp_path: Path) -> None:
    report = unpacked(name, tmp_path)
    recipes = json.loads(lzma.decompress((REPORTS / f"{name}.recipes.json.xz").read_bytes()))
    if not os.environ.get("WORKBENCH_FUZZ"):
        recipes = [one for one in recipes if SLICE[name] in one["key"]]
    found = list(conform(report, recipes, load_catalog()))
    assert len(found) == sum("grid" in step for one in recipes for step in one["steps"])
    for launch in found:
        known = next((names for start, names in KNOWN.items() if launch.key.startswith(start)), set())
        assert not launch.reason, f"{launch.key} {launch.kernel}: {launch.reason}"
        assert len(launch.counters) >= LEAST_COUNTERS
        unknown = [c for c in launch.differences if c["name"] not in known]
        assert not unknown, f"{launch.key} {launch.kernel}: {unknown}"
        both = {c["name"]: (c["measured"], c["simulated"]) for c in launch.counters}
        stored = 32 * both[STORED][1]
        if stored >= ENOUGH_WRITTEN:  # else it is the device's other work
            measured, simulated = both["dram__bytes_write.sum"]
            assert abs(simulated - measured) <= 0.08 * stored, f"{launch.key} {launch.kernel}: {measured} {simulated}"


def test_a_launch_runs_the_code_that_it_was_counted_with(tmp_path: Path) -> None:
    """A report holds kernels of one name for several types and tiles: the first of them is another launch's."""
    report = unpacked("forward", tmp_path)
    programs = Programs(report)
    launches = [one for one in launches_of_report(report) if one.kernel == "gate_fused"]
    assert len({tuple(one.opcodes().items()) for one in launches}) > 1
    for one in launches:
        assert {i.address: opcode_of(i.text) for i in programs.of(one).instructions} == one.opcodes()
