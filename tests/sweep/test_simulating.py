"""A sweep without a GPU, whose CUDA variants are counted: what the records hold, what is affordable, what goes on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Run, workbench  # noqa: F401 - a fixture
from tests.own_folder import KERNEL, folder
from workbench.catalog import BUILTIN, load_catalog
from workbench.check.case import InputSet
from workbench.check.counting import CountRequest, MachineCodeCounter, executed_code
from workbench.check.examine import Examiner
from workbench.cluster.holder import candidate_of, check_of
from workbench.declare import Shape
from workbench.problem import Problem
from workbench.simulate.counters import Level
from workbench.simulate.launch import COUNTERS, Counts
from workbench.simulate.program import File, Instruction, Program
from workbench.store.record import Record, Simulated, Status
from workbench.store.run_folder import open_run
from workbench.sweep import runner
from workbench.sweep.checking import CheckJob, run_checks
from workbench.sweep.progress import Silent
from workbench.sweep.records import Candidate
from workbench.sweep.selection import Case, Selection, cases_of
from workbench.sweep.session import continue_run
from workbench.sweep.simulating import MOST_SHAPES, job_for
from workbench.sweep.start import start_run
from workbench.views.filter import Filter
from workbench.views.query import choices, read_records
from workbench.views.runs import run_summary
from workbench.views.simulated import differing, executed, side_by_side, simulated, totals

B, T, H = 2, 32, 64
ELEMENTS, STATES = B * T * H, B * H


def test_a_sweep_of_a_tiny_shape_ends_with_a_ladder_of_counted_kernels(workbench: Run, tmp_path: Path) -> None:  # noqa: F811
    """By hand: serial loads a and b once and h0, stores h and the last state, all of them side by side."""
    words = (
        "scan",
        "--pass",
        "forward",
        "--variants",
        "serial,blelloch,blelloch_unpadded",
        "--B",
        str(B),
        "--T",
        str(T),
        "--H",
        str(H),
    )
    done = workbench("sweep", *words, "--device", "cpu", "--preset", "small", "--name", "tiny", COLUMNS="200")
    assert "sm_90 machine code, simulated; times modelled for h200" in done.stdout, done.stdout + done.stderr
    records = {record.variant: record for record in open_run(tmp_path / "profiles" / "tiny").records()}
    (serial,) = records["serial"].simulated
    assert serial.axes == serial.swept == {"B": B, "T": T, "H": H} and serial.settings == {"block": 128}
    assert serial.moved_bytes == serial.declared.bytes == 4 * (3 * ELEMENTS + 2 * STATES) and not serial.findings
    counters = totals(serial.kernels)
    assert counters["l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"] == (2 * ELEMENTS + STATES) * 4 // 32
    assert counters["l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum"] == (ELEMENTS + STATES) * 4 // 32
    (kernel,) = serial.kernels
    assert kernel.grid == [1, B, 1] and kernel.chain is not None and kernel.chain.global_trips >= T // 8
    assert all(counter.standing for counter in kernel.counters)
    assert sum(kernel.opcodes.values()) == counters["smsp__inst_executed.sum"]
    code, ptx = records["serial"].executed
    assert (code.level, ptx.level) == ("sass", "ptx") and not code.address and ptx.address == sorted(set(ptx.address))
    assert sum(code.executed) == counters["smsp__inst_executed.sum"] and "50_serial.cu" in code.files
    assert sum(ptx.sectors) == sum(code.sectors) > 0 and "50_serial.cu" in ptx.files
    assert all(text.split()[-1] != "(end)" for text in ptx.text) and any("ld.global" in text for text in ptx.text)
    conflicts = "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum"
    padded, not_padded = (totals(records[name].simulated[0].kernels) for name in ("blelloch", "blelloch_unpadded"))
    assert padded[conflicts] == 0 < not_padded[conflicts]
    assert all(record.time is None for record in records.values())


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes counters in this process, which keeps its memory."""
    monkeypatch.setattr("workbench.check.limited.limit_memory", lambda _: None)
    yield lambda variant: MachineCodeCounter(BUILTIN, variant, 0)


def counted(counter: Any, variant: str, most: int, **axes: int) -> list[Simulated]:
    settings = load_catalog(BUILTIN).variant(variant).default_settings()
    request = CountRequest((Shape.of("float32", **axes),), settings, "sm_90", "h200", most)
    return [Simulated.model_validate(one) for one in counter(variant).count(request)["simulated"]]


def test_a_line_of_ptx_stands_once_whatever_the_machine_makes_of_it() -> None:
    """By hand: `f` is called at two places and its line has two steps, of which the second alone touches memory."""
    steps = [Instruction(form, address=9, line=4, file=1, text="st.global.f32 [%rd1], %f1") for form in ("a", "b")]
    calls = [Instruction("c", address=5, text="mov"), *steps] * 2
    program = Program("kernel", [*calls, Instruction(None, text="(end)")], File(), files={1: "/src/k.cu"})
    values = np.zeros((7, len(COUNTERS)), np.int64)
    values[:, COUNTERS.index("executed")] = 2, 3, 3, 1, 7, 7, 1
    values[:, COUNTERS.index("sectors")] = 0, 0, 8, 0, 0, 16, 0
    code = executed_code("sm_90", "kernel", Level.PTX, [Counts(program, values)])
    assert (code.address, code.executed, code.sectors) == ([5, 9], [3, 10], [0, 24])
    assert (code.files, code.file, code.line) == (["k.cu"], [-1, 0], [0, 4])


def test_a_function_that_is_compiled_in_two_ways_is_two_kernels(counter: Any) -> None:
    """Forwards and backwards in time: by its name alone one would be counted as the other, or left out."""
    variant = load_catalog(BUILTIN).variant("sru_scan/serial_gated")
    sizes = {"B": 1, "T": 4, "H": 32, "directions": 2, "phi": 1, "rows": 3, "dropout": 1}
    shape = Shape.of("float32", **sizes)
    found = counter(variant.key).count(CountRequest((shape,), variant.default_settings(), "sm_90", "h200", 10**6))
    (one,) = [Simulated.model_validate(one) for one in found["simulated"]]
    names = [kernel.kernel for kernel in one.kernels]
    assert len(set(names)) == 2 and names[1] == f"{names[0]} REVERSED=1"
    assert [(code["kernel"], code["level"]) for code in found["executed"]] == [
        (name, level) for level in ("sass", "ptx") for name in names
    ]


def test_too_much_work_is_sampled_and_run_whole_at_a_smaller_shape(counter: Any) -> None:
    (whole,) = counted(counter, "scan/hillis_steele", 10**7, B=2, T=128, H=256)
    sampled, smaller = counted(counter, "scan/hillis_steele", 200_000, B=2, T=128, H=256)
    assert whole.moved_bytes and not whole.reason
    assert sampled.axes == whole.axes and sampled.moved_bytes is None and "sampled" in sampled.reason
    assert any(kernel.sampled for kernel in sampled.kernels)
    exact = "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"
    assert totals(sampled.kernels)[exact] == totals(whole.kernels)[exact]
    assert totals(sampled.kernels)["smsp__inst_executed.sum"] == totals(whole.kernels)["smsp__inst_executed.sum"]
    assert smaller.axes != smaller.swept == whole.axes and smaller.moved_bytes


def test_what_is_not_simulated_says_why(counter: Any) -> None:
    (nothing,) = counted(counter, "projection/per_step", 10, B=2, T=2000, H=33, O=17)
    assert (
        not nothing.kernels
        and "2,000 launches" in nothing.reason
        and "no smaller one is little enough work" in nothing.reason
    )


def test_a_loop_at_the_end_of_the_code_is_no_padding(counter: Any) -> None:
    """The ring's last instructions are two branches, the first of them guarded: where its wait fails they are run."""
    (found,) = counted(counter, "scan/ring", 2_000_000, B=1, T=512, H=64)
    assert found.kernels and found.moved_bytes == found.declared.bytes


def test_many_shapes_are_spread_over_a_few() -> None:
    catalog = load_catalog(BUILTIN)
    cases = cases_of(Selection(operations=("scan",), axes=(("T", tuple(2**k for k in range(3, 13))),)), catalog)
    variant = catalog.variant("scan/serial")
    job = job_for("key", variant, catalog.operation_of(variant), "float32", cases, "sm_89", 400)
    assert job is not None and job.request.gpu == "rtx4090" and job.request.most == 400 // MOST_SHAPES
    sizes = [shape["T"] for shape in job.request.shapes]
    assert len(sizes) == MOST_SHAPES and sizes[0] == 8 and sizes[-1] == 4096
    failed = job.failed(RuntimeError("killed by SIGSEGV"))
    assert {entry.reason for entry in failed.simulated} == {"killed by SIGSEGV"} and not failed.executed
    others = [Case(case.operation, dataclasses.replace(case.shape, dtype="bfloat16"), ()) for case in cases]
    assert job_for("key", variant, catalog.operation_of(variant), "float32", others, "sm_89", 400) is None


def test_each_architecture_is_a_machine_and_a_run_goes_on_with_those_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archs = ("sm_80", "sm_90")
    root, profiles = folder(tmp_path, "", ""), tmp_path / "profiles"
    profiles.mkdir()
    selection = Selection(
        kernels=str(root),
        variants=("mine",),
        axes=(("N", (200,)),),
        devices=("simulated",),
        archs=archs,
        preset="small",
    )
    begun = start_run(selection, profiles, "two")
    assert [(m.id, m.arch, m.backend) for m in begun.run.machines] == [
        ("simulated-sm_80", "sm_80", "simulated"), ("simulated-sm_90", "sm_90", "simulated")
    ]  # fmt: skip
    asked: list[list[str]] = []

    def checks(jobs: list[CheckJob], kernels: Path, timeout_s: float, take: Callable[[Record], None]) -> None:
        asked.append([job.candidate.arch for job in jobs])
        run_checks(jobs[:1], kernels, timeout_s, take)
        if jobs[1:]:
            raise Problem("a power cut")

    monkeypatch.setattr(runner, "run_checks", checks)
    with pytest.raises(Problem, match="a power cut"):
        continue_run(begun, Silent())
    continue_run(open_run(begun.path), Silent())
    assert asked == [["sm_80", "sm_90"], ["sm_90"]]
    records = open_run(begun.path).records()
    assert [record.machine for record in records] == [f"simulated-{arch}" for arch in archs]
    assert [{one.arch for one in (*r.simulated, *r.executed, *r.build)} for r in records] == [{"sm_80"}, {"sm_90"}]
    assert all(record.status is Status.OK for record in records) and len({record.key for record in records}) == 2
    run = run_summary("two", profiles)
    only = read_records([run], Filter(machines=("simulated-sm_80",))).frame
    assert list(only["machine"]) == ["simulated-sm_80"] and choices((run,)).machines == tuple(
        r.machine for r in records
    )
    rows = simulated(read_records([run], Filter()).frame, {})
    assert list(rows["simulated.gpu"]) == ["a100", "h200"]
    assert set(side_by_side(rows, rows)["arch"]) == set(archs) and differing(only, only, True).attrs["pairs"] == 1
    assert set(executed([run], "probe", "mine", "float32")["arch"]) == set(archs)


def test_a_kernel_is_checked_as_it_is_compiled_for_the_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.check.limited.limit_memory", lambda _: None)
    root = folder(tmp_path, KERNEL, KERNEL.replace("y[i] =", "y[i] = (__CUDA_ARCH__ < 900) +"))
    (case,) = cases_of(Selection(kernels=str(root), preset="small", variants=("mine",)), load_catalog(root))
    sets = (InputSet(case.operation.regimes[0], 0),)
    right = [
        Examiner(root, case.variants[0].key, 0, arch).check(case.shape, case.variants[0].default_settings(), sets).right
        for arch in ("sm_80", "sm_90")
    ]
    assert right == [False, True]


def test_what_travels_to_another_machine_keeps_its_architecture(tmp_path: Path) -> None:
    root = folder(tmp_path, "", "")
    catalog = load_catalog(root)
    (case,) = cases_of(Selection(kernels=str(root), preset="small", variants=("mine",)), catalog)
    candidate = Candidate(case.variants[0], case.operation, case.shape, "simulated", arch="sm_80")
    assert candidate.machine == "simulated-sm_80" and candidate.key.endswith(".simulated-sm_80")
    assert candidate_of(catalog, check_of(CheckJob(candidate))) == candidate


def test_an_architecture_that_no_known_gpu_has_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    selection = Selection(operations=("scan",), devices=("simulated",), archs=("sm_90", "sm_103"), preset="small")
    with pytest.raises(Problem, match="--arch sm_103: no GPU of it is known"):
        start_run(selection, tmp_path, "none")
    assert not list(tmp_path.iterdir())


def test_a_run_that_was_cut_off_keeps_what_was_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = (("B", (B,)), ("T", (T,)), ("H", (H,)))
    selection = Selection(
        operations=("scan",), passes=("forward",), variants=("serial",), axes=axes, devices=("cpu",), preset="small"
    )
    begun = start_run(selection, tmp_path, "cut")

    def power_cut(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runner, "run_checks", power_cut)
        with pytest.raises(KeyboardInterrupt):
            continue_run(begun, Silent())
    kept = [entry for entry in begun.journal_entries() if "counted" in entry]
    assert len(kept) == 1
    monkeypatch.setattr(runner, "count_all", power_cut)  # it would be counted again
    continue_run(open_run(begun.path), Silent())
    (record,) = [record for record in open_run(begun.path).records() if record.variant == "serial"]
    assert json.loads(record.model_dump_json(by_alias=True))["simulated"] == kept[0]["found"]["simulated"]
