"""What is said of an ncu that failed, and that a good report is not taken for a failed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.profile.test_forms import page, read
from workbench.problem import Problem
from workbench.profile.failures import explain, last_warning, main

UNKNOWN_METRIC = '==WARNING== Failed to find metric l1tex__m.sum\n==WARNING== Section "X" did not match any section.\n'


def test_what_ncu_warns_of_beside_a_report_is_no_failure(tmp_path: Path) -> None:
    report = tmp_path / "r.ncu-rep"
    report.write_bytes(b"NVR\0")
    assert explain(f"==PROF== Connected\n{UNKNOWN_METRIC}==PROF== Report: r", 0, report) is None
    assert explain(UNKNOWN_METRIC, 1, tmp_path / "none") is not None
    assert "--list-sections" in str(explain('==ERROR== Option "--section X" did not match any section.', 0, report))


def test_an_error_without_a_reason_is_not_taken_for_a_range_without_kernels(tmp_path: Path) -> None:
    output = '==ERROR== Unknown Error on device 0.\n==ERROR== Failed to profile "k" in process 7\n'
    output += "==WARNING== No kernels were profiled.\n"
    assert "(Unknown Error): run the program without ncu first" in str(explain(output, 9, tmp_path / "none"))


def test_only_ncus_own_lines_are_searched(tmp_path: Path) -> None:
    program = "my test of ERR_NVGPUCTRPERM and LaunchFailed\nkilled by DCGM\n"
    assert explain(program, 0, Path(__file__)) is None
    said = str(explain(f"{program}step 7==ERROR== Error: InterprocessLockFailed\n", 1, tmp_path / "none"))
    assert "TMPDIR" in said and "DCGM" not in said and "admins" not in said


def test_the_first_cause_counts_and_not_the_first_in_a_list_of_ours(tmp_path: Path) -> None:
    output = "==ERROR== Error: InterprocessLockFailed\n==ERROR== ERR_NVGPUCTRPERM - The user\n"
    assert "TMPDIR" in str(explain(output, 1, tmp_path / "none"))


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("==PROF== Connected\n==WARNING== No kernels were profiled.\n", "do the filters"),
        ("==ERROR== LaunchFailed\n==ERROR== The application returned an error code (9).\n", "run the program without"),
        ("==PROF== Connected to process 1\n==PROF== Disconnected\n", "names no error"),
        ("==ERROR== Something new\n", "Something new"),
    ],
)
def test_a_log_kept_as_a_page_is_named_with_its_cause(tmp_path: Path, log: str, words: str) -> None:
    with pytest.raises(Problem, match=words) as raised:
        read(tmp_path, log, "kept.csv")
    assert "kept.csv: the log of ncu without a page" in str(raised.value)


def test_a_page_stays_a_page_whatever_the_program_printed(tmp_path: Path) -> None:
    loud = '{"traceEvents": 1}\n    Section: mine\n==1== NVPROF is profiling process 1\n<p>\n==ERROR== LaunchFailed\n'
    assert len(read(tmp_path, loud + page(("gpu__time_duration.sum", "ns", "5")))) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x1f\x8b\x08\x00rest", "unpack it first"),
        (b"PK\x03\x04rest", "unpack it first"),
        (b"\n<!doctype html><title>report.ncu-rep</title>", "a web page"),
        (b'[{"ph": "X", "name": "k", "ts": 1}]', "a trace in Chrome's form"),
        ("  k\n    Section: Occupancy\n".encode("utf-16-le"), "ncu's output as text"),
    ],
)
def test_more_that_is_no_report(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(Problem, match=words):
        read(tmp_path, data, "some.ncu-rep")


def test_a_long_trace_on_one_line_is_called_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="a trace in Chrome's form"):
        read(tmp_path, b'{"traceEvents": [' + b'{"ph": "X"},' * 2_000_000 + b"]}", "trace.json")


def test_the_last_warning() -> None:
    warned = "==WARNING== Backing up device memory in system memory. Kernel replay might be slow.\n"
    assert last_warning(f"==PROF== x\n{warned}==PROF== y\n").startswith("Backing up device memory")
    assert last_warning("==ERROR== x") == ""


def test_the_script_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_text("==ERROR== ERR_NVGPUCTRPERM - The user does not\n")
    assert main(log, 9, tmp_path / "none") == 1 and "Windows" in capsys.readouterr().out
    log.write_text(UNKNOWN_METRIC)
    assert main(log, 0, log) == 0 and capsys.readouterr().out == ""
