"""`workbench simulate` as a user runs it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, workbench  # noqa: F401 - a fixture
from tests.kernels.executed import catalog
from tests.simulate.one_opcode import HEAD
from tests.simulate.simulated_case import Case, binaries
from tests.warm import ROOT
from workbench.catalog import BUILTIN
from workbench.check.simulated import Request, SimulatedVariant
from workbench.declare import Cost, Shape
from workbench.simulate.counters import DIRTY

B, T, H = 2, 24, 64
AXES = ("--B", str(B), "--T", str(T), "--H", str(H))
ELEMENTS, STATES = B * T * H, B * H


def totals(run: dict[str, Any]) -> dict[str, float]:
    return {figure["name"]: figure["value"] for kernel in run["kernels"] for figure in kernel["figures"]}


def test_both_front_ends_agree_and_count_what_the_kernel_must_move(workbench: Run) -> None:  # noqa: F811
    done = workbench("simulate", "scan/serial", *AXES, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["origin"] == "simulated" and found["bit_equal"] is True and not found["findings"]
    sass, ptx = found["runs"]
    assert [sass["through"], sass["status"], ptx["status"]] == ["sass", "ok", "ok"]
    machine, virtual = totals(sass), totals(ptx)
    for name, floats in (("ld", 2 * ELEMENTS + STATES), ("st", ELEMENTS + STATES)):
        counter = f"l1tex__t_sectors_pipe_lsu_mem_global_op_{name}.sum"
        assert machine[counter] == virtual[counter] == floats * 4 // 32
    assert machine["dram__bytes_read.sum"] == (2 * ELEMENTS + STATES) * 4
    assert machine["dram__bytes_write.sum"] == 0 and machine[DIRTY] == (ELEMENTS + STATES) * 4  # L2 keeps all of it
    assert sass["memory_bytes"] == found["declared_bytes"]
    assert "smsp__inst_executed.sum" in machine and "smsp__inst_executed.sum" not in virtual
    (kernel,) = sass["kernels"]
    assert kernel["grid"] == [1, B, 1] and kernel["occupancy"] == 1 and kernel["registers"] > 0
    assert sum(kernel["opcodes"].values()) == machine["smsp__inst_executed.sum"]
    assert sum(line["executed"] for line in kernel["lines"]) == machine["smsp__inst_executed.sum"]
    threads = [line["threads"] for line in kernel["lines"]]
    assert threads == sorted(threads, reverse=True)
    assert any("state" in line["text"] and line["file"].endswith("50_serial.cu") for line in kernel["lines"])


def test_lines_are_those_of_the_files_as_they_are_called_now(workbench: Run, tmp_path: Path) -> None:  # noqa: F811
    """What is compiled is kept by content and names the files of whoever compiled it; those may be gone."""
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(ROOT / "examples" / "softmax", before)
    source = before / "softmax" / "row_block.cu"
    source.write_text(f"// {tmp_path}\n{source.read_text()}")  # compiled by nobody yet
    for folder in (before, after):
        if folder is after:
            before.rename(after)
        done = workbench("simulate", "softmax/row_block", "--kernels", str(folder), "--json")
        assert done.returncode == 0, done.stderr
        for run in json.loads(done.stdout)["runs"]:
            lines = [line for line in run["kernels"][0]["lines"] if line["file"].endswith("row_block.cu")]
            assert len(lines) > 3 and all(line["text"] for line in lines), (folder, lines)
            assert {line["file"] for line in lines} == {str(folder / "softmax" / "row_block.cu")}


@pytest.mark.parametrize(
    ("variant", "noted"),
    [
        ("scan/ring", ""),
        ("scan/look_back_plain", "its blocks ask each other"),
        ("scan/backward/vector", "lanes of a warp"),
    ],
)
def test_sectors_of_ptx_and_machine_code_agree_or_differ_for_a_reason(
    workbench: Run,  # noqa: F811
    variant: str,
    noted: str,
) -> None:
    """A ring's asynchronous copies are among them; whoever waits for others asks as often as it must."""
    done = workbench("simulate", variant, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and not found["findings"], done.stderr
    assert [noted in note for note in found["notes"]] == [True] * bool(noted)


def test_a_sector_more_in_one_of_them_is_a_finding(workbench: Run, tmp_path: Path) -> None:  # noqa: F811
    """One load of the kernel is made twice in its PTX."""
    case = Case("scan/serial", Shape.of("float32", B=B, T=T, H=H))
    (binary,) = binaries(case.plan(), "float32").values()
    lines = binary.path.read_text().splitlines()
    load = next(number for number, line in enumerate(lines) if "ld.global" in line and "@" not in line)
    twice = tmp_path / "twice.ptx"
    twice.write_text("\n".join([*lines[:load], lines[load], *lines[load:]]))
    done = workbench("simulate", "scan/serial", *AXES, "--ptx", str(twice), "--through", "both", "--json")
    (finding,) = json.loads(done.stdout)["findings"]
    assert done.returncode == 1 and "global sectors, SASS" in finding


def test_the_table_fits_80_columns_and_says_that_it_is_simulated(workbench: Run) -> None:  # noqa: F811
    done = workbench("simulate", "scan/blelloch", "--through", "sass", "--lines", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in ("simulated, no time", "exact, confirmed by reports", "source lines, hottest first", "executed SASS"):
        assert words in done.stdout


def test_a_trace_names_instruction_registers_and_line(workbench: Run) -> None:  # noqa: F811
    done = workbench("simulate", "scan/serial", *AXES, "--through", "sass", "--trace", "1,0", "--json")
    (kernel,) = json.loads(done.stdout)["runs"][0]["kernels"]
    trace = kernel["trace"]
    assert trace[0]["address"] == 0 and trace[-1]["text"] == "EXIT"
    loaded = next(one for one in trace if one["text"].startswith("LDG"))
    assert loaded["lanes"] == 0xFFFFFFFF and loaded["line"] > 0
    register = loaded["text"].split()[1].rstrip(",")
    assert set(loaded["registers"]) == {register} and len(loaded["registers"][register]) == 32


def test_coverage_runs_nothing_and_names_what_is_known(workbench: Run) -> None:  # noqa: F811
    done = workbench("simulate", "scan/serial", "--coverage", "--json")
    assert done.returncode == 0
    assert [(k["through"], k["unknown"]) for k in json.loads(done.stdout)["kernels"]] == [("sass", 0), ("ptx", 0)]


ENDLESS = HEAD + (
    ".visible .entry scan_serial({}) {{ .reg .b32 %r; .shared .b32 s; "
    "AGAIN: add.u32 %r, %r, 1; st.shared.u32 [s], %r; bra AGAIN; }}\n"
)
"""It changes memory all the while: one that does not is found waiting."""
PARAMETERS = ", ".join(f".param .u64 p{k}" for k in range(7))


STRAY = HEAD + (".visible .entry scan_serial({}) {{ .reg .b64 %d; mov.u64 %d, 64; st.global.u32 [%d], 7; exit; }}\n")


def test_a_trace_ends_at_the_instruction_that_must_not_be(workbench: Run, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "stray.ptx"
    file.write_text(STRAY.format(PARAMETERS))
    arguments = ("simulate", "scan/serial", *AXES, "--ptx", str(file), "--trace", "0,0")
    done = workbench(*arguments, "--json")
    (run,) = json.loads(done.stdout)["runs"]
    assert done.returncode == 1 and run["status"] == "fault" and run["kernel"] == "scan_serial"
    assert [one["text"].split()[0] for one in run["trace"]] == ["mov.u64", "st.global.u32"]
    assert "scan_serial (ptx): what the warp did" in workbench(*arguments).stdout


def test_a_file_of_ptx_is_run_under_every_checker(workbench: Run, tmp_path: Path) -> None:  # noqa: F811
    """With a barrier less than the kernel has, every other way to run it once is right."""
    plan = Case("scan/warp_shuffle", Shape.of("float32", B=B, T=T, H=H)).plan()
    (made,) = [made for unit, made in binaries(plan, "float32").items() if "warp_shuffle" in unit.source.name]
    changed = tmp_path / "changed.ptx"
    changed.write_text(made.path.read_text().replace("bar.sync \t0;", ""))
    done = workbench("simulate", "scan/warp_shuffle", "--check", "--ptx", "changed.ptx", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and not found["right"]
    assert found["findings"][0].startswith("racecheck: race: two accesses to shared memory")
    assert done.stderr.startswith("workbench: scan/warp_shuffle does not pass: racecheck: race")
    done = workbench("simulate", "scan/warp_shuffle", "--check")
    assert done.returncode == 0 and "under every checker" in done.stdout, done.stderr


def test_whatever_is_wrong_is_one_line(workbench: Run, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "endless.ptx").write_text(ENDLESS.format(PARAMETERS))
    (tmp_path / "few.ptx").write_text(ENDLESS.format(".param .u64 p0"))
    (tmp_path / "broken.cubin").write_bytes(b"\x7fELF\x02" + bytes(200))
    (tmp_path / "broken.ptx").write_bytes(b"\xff.version\0 8.5 {{{")
    for arguments, words in (
        ((), "takes one variant"),
        (("scan/seriel",), "did you mean scan/serial"),
        (("eager", "--T", "8"), "write the operation too"),
        (("scan/serial", "--T", "8,16"), "one shape"),
        (("scan/serial", "--Q", "8"), "unknown axis --Q"),
        (("scan/serial", "--arch", "sm_12"), "sm_12"),
        (
            ("scan/serial", "--arch", "sm_110"),
            "nearest that is known is the NVIDIA B200",
        ),
        (("scan/serial", "--through", "hip"), "unknown front end hip"),
        (("scan/serial", "--trace", "0"), "takes a block's number and a warp's"),
        (("scan/serial", "--trace", "0,0", "--kernel", "scan"), "unknown kernel scan: known: scan_serial"),
        (("scan/serial", "--kernel", "scan_serial"), "--kernel scan_serial: goes with --trace"),
        (("scan/serial", "--trace", "99,0", "--through", "ptx"), "2 blocks of 4 warps"),
        (("scan/eager",), "nothing to simulate"),
        (("scan/serial", "--ptx", "few.ptx"), "7 arguments for 1 parameters"),
        (("scan/serial", "--ptx", "broken.ptx"), "PTX line 1"),
        (("scan/serial", "--ptx", "nowhere.ptx"), "nowhere.ptx: no file is there"),
        (("scan/serial", "--ptx", "."), "no file is there"),
        (("scan/serial", "--cubin", "x" * 300), "no file is there"),
        (("scan/serial", "--cubin", "broken.cubin"), "not a cubin (no ELF file of a CUDA device)"),
        (("scan/serial", "--check", "--cubin", "broken.cubin"), "--check runs PTX"),
        (("scan/serial", "--check", "--ptx", "few.ptx"), "7 arguments for 1 parameters"),
        (("scan/serial", "--ptx", "endless.ptx", "--timeout", "8"), "did not end within 8 s"),
        (("--report", "nowhere.ncu-rep"), "nowhere.ncu-rep"),
        (("--report", "nowhere.ncu-rep", "--check"), "no other option of a run"),
    ):
        done = workbench("simulate", *arguments)
        assert done.returncode != 0 and words in done.stderr, (arguments, done.stderr)
        assert len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr, done.stderr


def test_what_cannot_be_counted_is_told_before_anything_is_built(workbench: Run) -> None:  # noqa: F811
    done = workbench("check", "scan", "--variants", "serial", "--arch", "sm_90,sm_103")
    assert done.returncode == 2 and "--arch sm_103: no GPU of it is known" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def request(levels: tuple[str, ...] = ("sass",), **more: Any) -> Request:
    return Request(Shape.of("float32", B=B, T=T, H=H), {"block": 128}, "sm_90", "h200", levels, **more)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> SimulatedVariant:
    """In this process, which keeps its memory."""
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    return SimulatedVariant(BUILTIN, "scan/serial", 0)


@pytest.mark.parametrize(("factor", "words"), [(0.5, "declares .* and touches"), (2, "declares .* and asks for")])
def test_declared_bytes_that_contradict_what_is_moved_are_a_finding(
    simulated: SimulatedVariant, factor: float, words: str
) -> None:
    variant = catalog().variant("scan/serial")
    simulated._variant = dataclasses.replace(
        variant, cost=lambda shape, settings: Cost(int(factor * variant.cost(shape, settings).bytes))
    )
    found = simulated.run(request())
    assert len(found["findings"]) == 1
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(found["findings"][0])


def test_front_ends_that_are_not_one_program_are_a_finding(simulated: SimulatedVariant, tmp_path: Path) -> None:
    """The machine code is the kernel's; the PTX is its own, with one store of h more."""
    from tests.simulate.simulated_case import Case, binaries

    plan = Case("scan/serial", Shape.of("float32", B=B, T=T, H=H)).plan()
    (path,) = [made.path for unit, made in binaries(plan, "float32").items() if unit.source.name == "50_serial.cu"]
    lines = path.read_text().splitlines()
    last = max(k for k, line in enumerate(lines) if "st.global" in line)
    changed = tmp_path / "changed.ptx"
    changed.write_text("\n".join([*lines[: last + 1], lines[last], *lines[last + 1 :]]))
    found = simulated.run(request(("sass", "ptx"), files=(("ptx", str(changed)),)))
    assert [run["status"] for run in found["runs"]] == ["ok", "ok"]
    assert len(found["findings"]) == 1 and "global sectors" in found["findings"][0]
