"""Simulated counters in records: nested, written to a table and back, beside tables that have no such columns."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.store.test_run_folder import record, run
from workbench.cli.check_counters import plain, print_counters
from workbench.problem import Problem
from workbench.store.new_run import create_run
from workbench.store.record import ExecutedCode, Record, Simulated, SimulatedCounter, SimulatedKernel, Status, Work
from workbench.store.run_folder import open_run
from workbench.sweep.counting_checks import with_counters
from workbench.sweep.progress import Silent
from workbench.sweep.selection import Selection
from workbench.views.explain import explain
from workbench.views.filter import Filter
from workbench.views.query import read_records
from workbench.views.runs import run_summary
from workbench.views.simulated import by_source_line, counters, differing, executed, simulated

EXACT = "exact, confirmed by reports"


def counted(number: int = 7, moved: float | None = 120.0) -> Record:
    """Untimed, with counters of one kernel; `moved`: None where its blocks were sampled."""
    names = {
        "smsp__inst_executed.sum": 40, "smsp__thread_inst_executed.sum": 640,
        "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum": 2, "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum": 16,
    }  # fmt: skip
    if moved is not None:
        names |= {"dram__bytes_read.sum": 80, "dram__bytes_write.sum": 40}
    kernel = SimulatedKernel(
        kernel="scan_serial", launches=1, grid=[1, 1, 1], block=[32, 1, 1], registers=32, occupancy=0.5, waves=0.1,
        counters=[SimulatedCounter(name=n, value=v, unit="inst", standing=EXACT) for n, v in names.items()],
        sampled="" if moved is not None else "6 of 900 blocks were run", opcodes={"FFMA": 8},
    )  # fmt: skip
    entry = Simulated(
        arch="sm_90", gpu="h200", swept={"B": 1, "T": 8, "H": 4}, axes={"B": 1, "T": 8, "H": 4}, elements=32,
        settings={"block": 128}, declared=Work(bytes=100), least=Work(bytes=50), moved_bytes=moved, kernels=[kernel],
        findings=["declares 100 bytes of traffic and touches 120 at least (simulated)"] if moved else [],
    )  # fmt: skip
    code = ExecutedCode(
        arch="sm_90", kernel="scan_serial", files=["50_serial.cu"], text=["LDG", "FFMA", "STG", "EXIT"],
        file=[0, 0, 0, -1], line=[3, 3, 4, 0], executed=[1, 8, 1, 1], threads=[32, 256, 32, 32],
        sectors=[16, 0, 4, 0], sectors_ideal=[4, 0, 4, 0], wavefronts=[0] * 4, wavefronts_ideal=[0] * 4,
    )  # fmt: skip
    ptx = ExecutedCode(
        arch="sm_90", kernel="scan_serial", level="ptx", address=[40, 41], files=["50_serial.cu"],
        text=["ld.global.f32", "st.global.f32"], file=[0, 0], line=[3, 4], executed=[1, 1], threads=[32, 32],
        sectors=[16, 4], sectors_ideal=[4, 4], wavefronts=[0] * 2, wavefronts_ideal=[0] * 2,
    )  # fmt: skip
    return record(
        number, backend="simulated", machine="simulated", status=Status.OK, time=None, samples_s=[], simulated=[entry],
        executed=[code, ptx],
    )  # fmt: skip


def test_they_come_back_as_they_were_written(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    written = [counted(), record(1)]
    for one in written:
        folder.append(one)
    assert open_run(folder.path).records() == written
    folder.finish()
    assert open_run(folder.path).records() == written


def test_the_ladder_holds_them_against_what_is_declared(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.append(counted())
    folder.append(record(1))
    folder.finish()
    frame = read_records([run_summary("r", tmp_path)], Filter()).frame
    (row,) = simulated(frame, {}).to_dict("records")
    assert row["simulated.bytes"] == 120 and row["simulated.bytes_declared"] == 100
    assert row["simulated.over_declared"] == 1.2 and row["simulated.sectors_per_load"] == 8
    assert row["simulated.instructions_per_element"] == 20 and row["simulated.lanes"] == 16
    assert "touches 120" in row["simulated.finding"] and row["simulated.at"] == "all blocks"
    table = counters(frame)
    assert set(table["standing"]) == {EXACT} and "smsp__inst_executed.sum" in set(table["counter"])


def changed(was: Record, name: str, value: float) -> Record:
    """The record with another value of one counter."""
    (entry,) = was.simulated
    (kernel,) = entry.kernels
    counters_ = [c.model_copy(update={"value": value}) if c.name == name else c for c in kernel.counters]
    kernel = kernel.model_copy(update={"counters": counters_})
    return was.model_copy(update={"simulated": [entry.model_copy(update={"kernels": [kernel]})]})


def test_a_comparison_names_what_machine_code_does_otherwise(tmp_path: Path) -> None:
    frames = []
    for name, one in (("a", counted()), ("b", changed(counted(), "smsp__inst_executed.sum", 80))):
        folder = create_run(tmp_path / name, run())
        folder.append(one)
        folder.finish()
        frames.append(read_records([run_summary("r", tmp_path / name)], Filter()).frame)
    found = differing(*frames, same_variant=True)
    rows = [(row["figure"], row["a"], row["b"]) for row in found.to_dict("records")]
    assert rows == [("simulated.instructions", 40, 80), ("simulated.lanes", 16, 8)] and found.attrs["pairs"] == 1
    same = differing(frames[0], frames[0], same_variant=True)
    assert same.empty and same.attrs["pairs"] == 1


def test_what_was_simulated_explains_before_what_is_declared() -> None:
    row = {
        "shape": json.dumps({"B": 1, "T": 8, "H": 4, "dtype": "float32", "regime": "normal"}), "backend": "simulated",
        "time.median_s": None, "bytes.declared": 100, "launches.declared": 1, "build": "[]",
        "simulated": json.dumps([entry.model_dump(mode="json") for entry in counted().simulated]),
    }  # fmt: skip
    found = explain(dict(row), dict(row), {}).set_index("what")
    assert found.loc["bytes simulated", "a"] == 120 and "bytes declared" not in found.index
    assert found.loc["warp instructions", "origin"] == "simulated"
    bare = explain({**row, "simulated": "[]"}, dict(row), {}).set_index("what")
    assert bare.loc["bytes declared", "a"] == 100 and "bytes simulated" not in bare.index


def test_checked_kernels_are_a_table_with_the_standing_of_each_column(capsys: pytest.CaptureFixture[str]) -> None:
    print_counters([counted()])
    printed = " ".join(capsys.readouterr().out.split())
    assert "sm_90 machine code, simulated (caches: h200)" in printed and "touches 120 at least (simulated)" in printed
    assert f"{EXACT}: instructions, sectors per load, bytes" in printed and "scan_serial 1 40 8" in printed
    (entry,) = plain(counted().simulated)
    assert entry["bytes"] == 120 and entry["kernels"][0]["counters"][0] == {
        "name": "smsp__inst_executed.sum", "value": 40.0, "unit": "inst", "standing": EXACT
    }  # fmt: skip


def test_counters_of_an_architecture_that_no_known_gpu_has_are_refused() -> None:
    with pytest.raises(Problem, match="--arch sm_87: no GPU of it is known"):
        with_counters([], Selection(archs=("sm_87",)), Silent())


def test_sampled_blocks_have_no_bytes_and_say_so(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.append(counted(moved=None))
    (row,) = simulated(read_records([run_summary("r", tmp_path)], Filter()).frame, {}).to_dict("records")
    assert row["simulated.bytes"] is None or row["simulated.bytes"] != row["simulated.bytes"]
    assert row["simulated.at"] == "blocks sampled" and row["simulated.instructions"] == 40


def test_lines_of_the_source_are_the_sums_of_their_instructions(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.append(counted())
    folder.finish()
    code = executed([run_summary("r", tmp_path)], "scan", "serial", "float32")
    assert list(code["address"]) == ["0000", "0010", "0020", "0030", "0040", "0041"]
    assert list(code["excess"]) == [12, 0, 0, 0, 12, 0] and list(code["level"]) == ["sass"] * 4 + ["ptx"] * 2
    (tmp_path / "50_serial.cu").write_text("one\ntwo\n    three;\nfour\n")
    lines = by_source_line(code, tmp_path)
    assert lines.iloc[0][["line", "threads", "sectors", "excess", "text"]].tolist() == [3, 288, 16, 12, "three;"]
    assert executed([run_summary("r", tmp_path)], "scan", "vector", "float32").empty


def test_a_table_from_before_there_was_ptx_opens(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.append(counted())
    folder.finish()
    table = pq.read_table(folder.path / "records.parquet")
    lists = table.column("executed").combine_chunks()
    kept = [field.name for field in lists.type.value_type if field.name not in ("level", "address")]
    older = pa.StructArray.from_arrays([lists.values.field(name) for name in kept], kept)
    place = table.schema.get_field_index("executed")
    older = table.set_column(place, "executed", pa.ListArray.from_arrays(lists.offsets, older))
    pq.write_table(older, folder.path / "records.parquet")
    code = executed([run_summary("r", tmp_path)], "scan", "serial", "float32")
    assert set(code["level"]) == {"sass"} and code["address"].iloc[-1] == "0010"
    assert [one.level for one in open_run(folder.path).records()[0].executed] == ["sass", "sass"]


def test_a_table_from_before_there_were_any_opens(tmp_path: Path) -> None:
    folder = create_run(tmp_path, run())
    folder.append(record(1))
    folder.finish()
    file = folder.path / "records.parquet"
    pq.write_table(pq.read_table(file).drop(["simulated", "executed"]), file)
    found = read_records([run_summary("r", tmp_path)], Filter())
    assert found.problems == () and len(found.frame) == 1 and simulated(found.frame, {}).empty
    assert open_run(folder.path).records() == [record(1)]
