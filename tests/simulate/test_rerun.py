"""`workbench simulate --report`: the machine code in a real report, run again with guessed arguments."""

from __future__ import annotations

import json
import lzma
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, workbench  # noqa: F401 - a fixture
from tests.simulate.test_sass_reports import REPORTS, needs_reports
from workbench.problem import Problem
from workbench.profile.arguments import Relaunch, undetermined
from workbench.profile.launched import BY_INSTRUCTION, Programs, launch_of_report
from workbench.profile.rerun import rerun
from workbench.simulate.launch import Options
from workbench.simulate.memory import Memory

NAIVE, VECTORIZE = REPORTS / "rtx4060_128_01_naive.ncu-rep", REPORTS / "rtx4060_128_07_vectorize.ncu-rep"


def by_name(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {counter["name"]: counter for counter in found["counters"]}


@needs_reports
def test_arguments_are_guessed_and_every_exact_counter_agrees(workbench: Run) -> None:  # noqa: F811
    done = workbench("simulate", "--report", str(NAIVE), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["guessed"] and found["arguments"][3:] == ["128", "1.0", "1.0"] and not found["differences"]
    counters = by_name(found)
    assert {f"{name}, by instruction" for name in BY_INSTRUCTION} - set(counters) <= {
        "memory_l1_wavefronts_shared, by instruction", "memory_l1_wavefronts_shared_ideal, by instruction"
    }  # fmt: skip
    assert counters["l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"]["simulated"] == 2_179_072
    assert counters["lts__t_sectors_srcunit_tex_op_read.sum"]["simulated"] == 18_432


@needs_reports
def test_given_arguments_are_used_and_the_limit_of_the_caches_is_seen() -> None:
    buffers = [f"buffer:{128 * 128 * 4}"] * 3
    counters = by_name(rerun(VECTORIZE, 0, [*buffers, "128", "1.0", "0.5"]))
    assert counters["l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum"]["simulated"] == 8192
    reads = counters["lts__t_sectors_srcunit_tex_op_read.sum"]
    assert reads["simulated"] == 6144 and reads["measured"] == 6932 and not reads["agrees"]


@needs_reports
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["128"], "takes 6 arguments, of 8, 8, 8, 4, 4, 4 bytes"),
        (["buffer:4"] * 3 + ["128", "1.0", "1.0"], "with these arguments the kernel fails: memcheck: stray_read"),
        (["buffer:65536"] * 3 + ["many", "1.0", "1.0"], "does not fit parameter 4"),
    ],
)
def test_arguments_that_do_not_fit_are_one_line(arguments: list[str], words: str) -> None:
    with pytest.raises(Problem, match=words) as refused:
        rerun(NAIVE, 0, arguments)
    assert "\n" not in str(refused.value)


@needs_reports
def test_code_of_too_old_a_gpu_is_refused_by_name() -> None:
    with pytest.raises(Problem, match=r"is machine code of sm_70; it is read from sm_80 on"):
        rerun(REPORTS / "v100_mpas_baseline.ncu-rep", 0, [])


@needs_reports
def test_fields_of_a_structure_stand_where_their_size_puts_them() -> None:
    measured = launch_of_report(NAIVE, 0)
    relaunch, memory = Relaunch(Programs(NAIVE).of(measured), measured), Memory()
    found = relaunch._bytes(0, "7+buffer:16+0.5", 24, memory, 0)
    address = memory.address("argument1, field 2")
    assert address and found == struct.pack("<IxxxxQfxxxx", 7, address, 0.5)
    with pytest.raises(Problem, match="does not fit parameter 1, which has 8 bytes"):
        relaunch._bytes(0, "7+buffer:16", 8, memory, 0)


@needs_reports
def test_counts_that_values_decide_are_told_apart() -> None:
    measured = launch_of_report(NAIVE, 0)
    relaunch = Relaunch(Programs(NAIVE).of(measured), measured)
    arguments = [*[f"buffer:{1 << 16}"] * 3, "128", "1.0", "1.0"]
    counts = relaunch.run(arguments, Options())
    assert not undetermined(relaunch, arguments, counts, Options()).any()
    counts.values[5, 0] += 1
    assert undetermined(relaunch, arguments, counts, Options()).nonzero()[0].tolist() == [5]


@needs_reports
def test_wrong_arguments_make_counters_differ() -> None:
    found = rerun(NAIVE, 0, [f"buffer:{1 << 16}"] * 3 + ["64", "1.0", "1.0"])
    assert "inst_executed, by instruction" in found["differences"]


@pytest.mark.parametrize(("kept", "words"), [(20_000, "cut short"), (700_000, "cut short"), (0, "not an Nsight")])
def test_a_part_of_a_report_is_refused_as_such(kept: int, words: str, tmp_path: Path) -> None:
    """NVIDIA's reader takes what it finds of it: no launch, or one without its figures."""
    whole = lzma.decompress((Path(__file__).parent / "reports" / "h200" / "large.ncu-rep.xz").read_bytes())
    part = tmp_path / "part.ncu-rep"
    part.write_bytes(whole[:kept] or b"\x93" * 3000)
    with pytest.raises(Problem, match=words) as refused:
        launch_of_report(part, 0)
    assert "\n" not in str(refused.value)
