"""Readers: what is made of reports and pages, and what is said of those that are not."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.profile.fake_report import Action, Context, Domain, Metric, NvtxState, Range, Reader, RuleResult
from workbench.problem import Problem
from workbench.profile.launches import launches_of, plain_text
from workbench.profile.read import read_launches
from workbench.profile.report_blocks import LENGTH, MAGIC, read_blocks
from workbench.profile.units import base_unit
from workbench.store.launch import Launch

V100 = Path(__file__).resolve().parents[3] / "shared/fixtures/ncu/v100_mpas_baseline.ncu-rep"
needs_v100 = pytest.mark.skipif(not V100.is_file(), reason="the V100 report is not here")

KEY = "scan.serial.b4-t4096-h1024.float32.normal.forward.cuda"
NVTX = '"thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg"'

RAW_2024 = f"""==PROF== Connected to process 1 (/usr/bin/python3.11)
h = 3.5, says the program
==PROF== Profiling "scan_serial" - 0: 0%....50%....100% - 45 passes
"ID","Process ID","Process Name","Host Name",{NVTX},"Kernel Name","Context","Stream","Block Size","Grid Size",\
"Device","CC","dram__bytes_read.sum","gpu__time_duration.sum","launch__func_cache_config","lts__t_sectors.sum"
"","","","","","","","","","","","","Mbyte","us","",""
"0","1","python","node","1  ""workbench:{KEY}:none:none:none:none:none:none"" ","void scan_serial<float>(float*)","1",\
"7","(128, 1, 1)","(32, 4, 1)","0","9.0","134.22","41.5","cudaFuncCachePreferNone","1,234,567"
"1","1","python","node","","empty()","1","7","(128, 1, 1)","(32, 4, 1)","0","9.0","nan","n/a","none",""
"""
RAW_2021 = """"ID","Process ID","Process Name","Host Name","Kernel Name","Kernel Time","Context","Stream",\
"dram__bytes_read.sum","gpu__time_duration.sum","sm__cycles_elapsed.avg.per_second"
"","","","","","","","","byte","nsecond","cycle/nsecond"
"0","9","a.out","127.0.0.1","scan_serial","2021-Mar-02 10:00:00","1","7","134,217,728","41,500","1.29"
"""
LONG = """"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size","Grid Size",\
"Device","CC","Section Name","Metric Name","Metric Unit","Metric Value","Rule Name","Rule Type","Rule Description",\
"Estimated Speedup Type","Estimated Speedup"
"0","1","a","h","k","1","7","(64, 1, 1)","(2, 1, 1)","0","8.9","S","dram__bytes_read.sum","Kbyte","2.5","","","","",""
"0","1","a","h","k","1","7","(64, 1, 1)","(2, 1, 1)","0","8.9","SpeedOfLight","","","","SOLBottleneck","OPT","Low
occupancy.","global","25.5"
"1","1","a","h","k","1","7","(64, 1, 1)","(2, 1, 1)","0","8.9","S","dram__bytes_read.sum","byte","7","","","","",""
"""


def launches(tmp_path: Path, text: str, name: str = "page.csv") -> list[Launch]:
    path = tmp_path / name
    path.write_text(text)
    return list(read_launches(path))


# ------------------------------------------------------------------------------------------------------- CSV


def test_a_raw_page_in_base_units(tmp_path: Path) -> None:
    first, second = launches(tmp_path, RAW_2024)
    assert first.kernel == "void scan_serial<float>(float*)"
    assert first.ranges == (KEY,)
    assert first.number("dram__bytes_read.sum") == pytest.approx(134.22e6)
    assert first.number("gpu__time_duration.sum") == pytest.approx(41.5e-6)
    assert (first.units["dram__bytes_read.sum"], first.units["gpu__time_duration.sum"]) == ("byte", "s")
    assert first.number("lts__t_sectors.sum") == 1234567
    assert first.metrics["launch__func_cache_config"] == "cudaFuncCachePreferNone"
    assert first.number("launch__grid_size") == 128
    assert first.arch == "sm_90"
    assert second.ranges == ()
    assert set(second.missing) == {"dram__bytes_read.sum", "gpu__time_duration.sum", "lts__t_sectors.sum"}
    assert second.number("dram__bytes_read.sum") is None, "NaN is missing, never zero"


def test_the_spelling_of_2021(tmp_path: Path) -> None:
    (launch,) = launches(tmp_path, RAW_2021)
    assert launch.number("dram__bytes_read.sum") == 134217728
    assert launch.number("gpu__time_duration.sum") == pytest.approx(41.5e-6)
    assert launch.number("sm__cycles_elapsed.avg.per_second") == pytest.approx(1.29e9)
    assert launch.units["sm__cycles_elapsed.avg.per_second"] == "cycle/s"


def test_the_long_form_keeps_rules_with_their_speedup(tmp_path: Path) -> None:
    first, second = launches(tmp_path, LONG)
    assert first.number("dram__bytes_read.sum") == 2500
    assert second.number("dram__bytes_read.sum") == 7
    (rule,) = first.rules
    assert (rule.rule, rule.kind, rule.message) == ("SOLBottleneck", "optimization", "Low occupancy.")
    assert (rule.speedup_type, rule.estimated_speedup_percent) == ("global", 25.5)
    assert second.rules == ()


def test_nested_and_process_wide_ranges_end_with_the_innermost(tmp_path: Path) -> None:
    header = f'"ID","Kernel Name",{NVTX},"Id:Domain:Start/Stop_Range:PL_Type:PL_Value","m__x.sum"\n'
    stack = '1  ""aten:add:none"" ""workbench:outer:none"" ""workbench:inner:none"" '
    (launch,) = launches(tmp_path, f'{header}"","","","",""\n"0","k","{stack}","0:workbench:whole:none","1"\n')
    assert launch.ranges == ("whole", "outer", "inner")


def test_only_what_looks_like_a_key_counts_in_the_default_domain(tmp_path: Path) -> None:
    header = f'"ID","Kernel Name",{NVTX},"m__x.sum"\n"","","",""\n'
    rows = [f'"{n}","k","1  ""<default domain>:{name}:none"" ","1"' for n, name in enumerate((KEY, "model.layer.0"))]
    keyed, named = launches(tmp_path, header + "\n".join(rows) + "\n")
    assert keyed.ranges == (KEY,)
    assert named.ranges == ()


def test_a_page_redirected_by_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "page.csv"
    path.write_text(RAW_2021, encoding="utf-16")
    assert len(list(read_launches(path))) == 1


def test_two_tables_in_one_file(tmp_path: Path) -> None:
    assert len(launches(tmp_path, RAW_2024 + "==PROF== Disconnected\n" + RAW_2021)) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an empty file"),
        ("hello\n", "not an Nsight Compute report"),
        (RAW_2024[:-60], "cut short at launch 1"),
        (RAW_2021.rstrip('"\n'), "cut short in its last line"),
        ("\n".join(RAW_2021.splitlines()[:2]) + "\n", "no kernel in it"),
        (RAW_2021.replace("1.29", "1,29"), "decimal comma"),
    ],
)
def test_what_is_no_page_is_said_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=words) as caught:
        launches(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="No such file"):
        read_launches(tmp_path / "nothing.ncu-rep")


@pytest.mark.parametrize(
    ("unit", "factor", "base"),
    [
        ("nsecond", 1e-9, "s"), ("us", 1e-6, "s"), ("Kbyte", 1e3, "byte"), ("Gbyte/s", 1e9, "byte/s"),
        ("Tbyte/second", 1e12, "byte/s"), ("cycle/usecond", 1e6, "cycle/s"), ("Ghz", 1e9, "hz"), ("%", 1.0, "%"),
        ("register/thread", 1.0, "register/thread"), ("", 1.0, ""), ("Kbyte/block", 1e3, "byte/block"),
    ],
)  # fmt: skip
def test_units(unit: str, factor: float, base: str) -> None:
    found, name = base_unit(unit)
    assert found == pytest.approx(factor)
    assert name == base


# --------------------------------------------------------------------------------------------------- .ncu-rep


def test_the_reader_of_reports_by_its_shape() -> None:
    state = NvtxState([Domain("torch", ("aten::add",)), Domain("workbench", ("outer", "inner"), ("whole",))])
    message = {
        "title": "Bound",
        "message": "See @section:Occupancy:Occupancy@ and @url:the guide:https://x/y@.",
        "type": 2,
    }
    metrics = {
        "gpu__time_duration.sum": Metric(2000.0, "ns"),
        "device__attribute_display_name": Metric("H200"),
        "a__nan.sum": Metric(math.nan),
        "a__none.sum": Metric(None),
    }
    action = Action("k", metrics, state, [RuleResult("SOL", message, (2, 12.5)), RuleResult("Quiet", None)])
    (launch,) = launches_of(Reader(Context([Range([action])])), Path("x"))
    assert launch.number("gpu__time_duration.sum") == pytest.approx(2e-6)
    assert launch.device == "H200"
    assert launch.missing == ("a__nan.sum", "a__none.sum")
    assert launch.ranges == ("whole", "outer", "inner")
    first, second = launch.rules
    assert first.message == "See Occupancy and the guide."
    assert (first.kind, first.speedup_type, first.estimated_speedup_percent) == ("optimization", "global", 12.5)
    assert (second.title, second.kind, second.estimated_speedup_percent) == ("QuietName", "none", None)


def test_launches_without_nvtx_lie_in_no_range() -> None:
    (launch,) = launches_of(Reader(Context([Range([Action("k", {})])])), Path("x"))
    assert launch.ranges == ()


def test_a_file_that_the_reader_does_not_take() -> None:
    with pytest.raises(Problem, match="does not take it"):
        list(launches_of(Reader(Context(None)), Path("x")))


def test_links_in_messages_become_their_words() -> None:
    assert plain_text("at @source:a.cu:12:line 12@ and @sass:0x10:here@") == "at line 12 and here"


def block(results: int, payload: bytes, strings: bytes = b"") -> bytes:
    """A block of a report: a protobuf header (2: results, 4: strings, 5: payload's size), then the payload."""
    header = bytes([2 << 3, results, 4 << 3 | 2, len(strings)]) + strings + bytes([5 << 3, len(payload)])
    return LENGTH.pack(len(header)) + header + payload


def report(*blocks: bytes) -> bytes:
    return MAGIC + LENGTH.pack(2) + b"\x08\x07" + b"".join(blocks)


def test_blocks_are_counted_and_divided(tmp_path: Path) -> None:
    whole, piece = tmp_path / "whole.ncu-rep", tmp_path / "piece.ncu-rep"
    whole.write_bytes(
        report(block(0, b"sources"), block(1, b"first", b"words"), block(1, b"second"), block(1, b"third"))
    )
    blocks = read_blocks(whole)
    assert blocks.launches == 3
    assert blocks.pieces(2) == [(0, 2), (2, 3)]
    blocks.write_piece(2, 3, piece)
    assert read_blocks(piece).launches == 1
    text = piece.read_bytes()
    assert b"third" in text and b"sources" in text
    assert b"first" not in text
    assert b"words" in text, "later blocks refer to the string tables of earlier ones"


@pytest.mark.parametrize("missing", [1, 3, 9])
def test_a_report_cut_short_is_noticed(missing: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.ncu-rep"
    path.write_bytes(report(block(1, b"first"), block(1, b"second"))[:-missing])
    with pytest.raises(Problem, match="cut short"):
        read_blocks(path)


def test_a_report_without_kernels(tmp_path: Path) -> None:
    path = tmp_path / "empty.ncu-rep"
    path.write_bytes(report(block(0, b"session")))
    with pytest.raises(Problem, match="no kernel in it"):
        list(read_launches(path))


@needs_v100
def test_the_v100_report() -> None:
    found = list(read_launches(V100))
    assert len(found) == 5
    assert found[2].kernel == "compute_tendencies_x_279_gpu"
    assert (found[2].device, found[2].arch) == ("Tesla V100-SXM2-32GB", "sm_70")
    assert found[2].number("gpu__time_duration.sum") == pytest.approx(6.190944e-3)
    assert found[2].number("dram__bytes_read.sum") == 1209119616
    assert len(found[0].metrics) == 670
    assert any("Occupancy" in rule.rule for rule in found[0].rules)


@needs_v100
def test_the_v100_report_cut_short(tmp_path: Path) -> None:
    """NVIDIA's reader returns the first three launches of it without a word."""
    path = tmp_path / "cut.ncu-rep"
    path.write_bytes(V100.read_bytes()[:700_000])
    with pytest.raises(Problem, match="cut short"):
        list(read_launches(path))


@needs_v100
def test_pieces_of_the_v100_report_are_its_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(read_launches(V100))
    monkeypatch.setattr("workbench.profile.read_report.PIECE", 2)
    pieces = list(read_launches(V100))
    assert [launch.kernel for launch in pieces] == [launch.kernel for launch in whole]
    assert [launch.metrics for launch in pieces] == [launch.metrics for launch in whole]
    assert [launch.rules for launch in pieces] == [launch.rules for launch in whole]
