"""The forms that reports take in real life: locales, encodings, ragged rows, names, failed logs, other tools' files."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.campaign.mutate import FUZZ, broken_bytes
from tests.kernels.executed import catalog
from tests.profile.test_read import LONG, RAW_2021, RAW_2024, V100, needs_v100
from workbench.cli.profile_table import as_json, print_imported
from workbench.problem import Problem
from workbench.profile.derived import derive
from workbench.profile.failures import explain
from workbench.profile.import_report import import_as_run
from workbench.profile.kernel_names import short_name, slug
from workbench.profile.metrics import combined
from workbench.profile.numbers import Fraction, fraction_of, is_nothing, number_of
from workbench.profile.read import read_launches
from workbench.store.launch import Launch
from workbench.store.run_folder import list_runs

pytestmark = pytest.mark.sliced

CATALOG = catalog()
HEADER = '"ID","Process ID","Kernel Name","Device","CC","Section Name","Metric Name","Metric Unit","Metric Value"'


def page(*rows: tuple[str, str, str], kernel: str = "k(int)", ids: tuple[str, ...] = ("0",)) -> str:
    """The long form: a row per metric (name, unit, value) of each launch."""
    lines = [
        f'"{i}","7","{kernel}","0","8.9","s","{name}","{unit}","{value}"' for i in ids for name, unit, value in rows
    ]
    return "\n".join([HEADER, *lines]) + "\n"


def read(tmp_path: Path, text: str | bytes, name: str = "page.csv") -> list[Launch]:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_launches(file))


TIME, BYTES, SHARE = (
    "gpu__time_duration.sum",
    "dram__bytes_read.sum",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed",
)


@pytest.mark.parametrize(
    ("time", "size", "share"),
    [
        ("117,344", "27,595,520", "65.77"),
        ("117.344", "27.595.520", "65,77"),
        ("117\u202f344", "27\u202f595\u202f520", "65,77"),
        ("117\u00a0344,00", "27\u00a0595\u00a0520", "65,77"),
        ("117'344", "27'595'520", "65.77"),
        ("117’344", "27’595’520", "65.77"),
        ("117344", "27595520", "65.77"),
    ],
)
def test_one_figure_under_every_locale(tmp_path: Path, time: str, size: str, share: str) -> None:
    (launch,) = read(tmp_path, page((TIME, "ns", time), (BYTES, "byte", size), (SHARE, "%", share)))
    assert launch.number(TIME) == pytest.approx(117_344e-9)
    assert launch.number(BYTES) == 27_595_520 and launch.number(SHARE) == 65.77


def test_numbers_in_two_forms_are_refused_and_so_is_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="some of its numbers have a decimal comma and some a decimal point"):
        read(tmp_path, page((TIME, "ns", "1,50"), (SHARE, "%", "65.77")))
    with pytest.raises(Problem, match="none of them shows which"):
        read(tmp_path, page((TIME, "ns", "117.344"), (BYTES, "byte", "5")))
    with pytest.raises(Problem, match="is no number in a form that is known"):
        read(tmp_path, page((TIME, "ns", "12:30"), (SHARE, "%", "65.77")))


@pytest.mark.parametrize(
    ("texts", "fraction"),
    [
        (["1,234"], Fraction.POINT),
        (["1,234", "0,5"], Fraction.COMMA),
        (["12.5"], Fraction.POINT),
        (["1.234.567"], Fraction.COMMA),
        (["1,234,567"], Fraction.POINT),
        (["0.5", "0,5"], Fraction.BOTH),
        (["text", ""], Fraction.POINT),
        (["117.344"], Fraction.OPEN),
        (["117.344", "5"], Fraction.OPEN),
        (["117.344", "1,234"], Fraction.BOTH),
        (["117 344", "1,234"], Fraction.COMMA),
        (["117'344", "1.234"], Fraction.POINT),
        (["1234.567"], Fraction.POINT),
        (["1.024 (512; 512)"], Fraction.OPEN),
    ],
)
def test_what_stands_before_a_fraction(texts: list[str], fraction: Fraction) -> None:
    assert fraction_of(texts) is fraction


def test_a_number_of_any_size_is_a_number_or_none() -> None:
    assert number_of("1" * 400, Fraction.POINT) == float("inf") and number_of("x", Fraction.POINT) is None
    assert number_of("1e3", Fraction.POINT) == 1000 and number_of("1,5e3", Fraction.COMMA) == 1500


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = page((TIME, "ns", "117,344")).replace('","', f'"{delimiter}"')
    (launch,) = read(tmp_path, text.encode(encoding))
    assert launch.number(TIME) == pytest.approx(117_344e-9)


def test_rows_without_the_columns_of_rules_and_output_without_an_end_of_line(tmp_path: Path) -> None:
    header = HEADER + ',"Rule Name","Rule Type","Rule Description"'
    metric = page((TIME, "ns", "5")).splitlines()[1]
    rule = '"0","7","k(int)","0","8.9","s","","","","SOLBottleneck","OPT","Low."'
    (launch,) = read(tmp_path, f"==PROF== Connected\ndone.{header}\n{metric}\n{rule}\n")
    assert launch.number(TIME) == pytest.approx(5e-9) and [r.rule for r in launch.rules] == ["SOLBottleneck"]


def test_launches_of_two_devices_and_processes_stay_apart(tmp_path: Path) -> None:
    rows = [f'"0","{process}","k(int)","{device}","8.9","s","{TIME}","ns","{n}"'
            for n, (process, device) in enumerate([("7", "0"), ("7", "1"), ("8", "0")], start=1)]  # fmt: skip
    file = tmp_path / "page.csv"
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    records = import_as_run(file, tmp_path / "profiles").records
    assert [r.factors["device"] + r.factors["process"] for r in records] == ["07", "17", "08"]
    assert len({r.key for r in records}) == 3


def test_ranges_of_the_program_are_kept_and_tell_launches_apart(tmp_path: Path) -> None:
    column = "thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg"
    header = f'"ID","Kernel Name","{column}","{TIME}"\n"","","","usecond"\n'
    rows = "".join(
        f'"{n}","gemm(float *)","1  ""<default domain>:{name}:none:none:none:none:none:none"" ","10.0"\n'
        for n, name in enumerate(("encoder", "decoder", "encoder"))
    )
    file = tmp_path / "page.csv"
    file.write_text(header + rows)
    records = import_as_run(file, tmp_path / "profiles").records
    assert {r.factors["range"]: r.counted.launches for r in records} == {"encoder": 2, "decoder": 1}


def test_what_a_report_has_is_used_for_what_it_is(tmp_path: Path) -> None:
    def derived(*rows: tuple[str, str, str], name: str) -> object:
        file = tmp_path / name
        file.write_text(page(*rows))
        imported = import_as_run(file, tmp_path / "profiles")
        (record,) = imported.records
        return derive(record, imported.launches[record.key], {})

    both = derived(("dram__bytes.sum", "byte", "32,746,880"), (TIME, "ns", "10,776,576"), name="sum.csv")
    assert both.dram_bytes == 32_746_880 and both.bandwidth_bytes_per_s == pytest.approx(3.0387e9, rel=1e-3)  # type: ignore[attr-defined]
    rate = derived(("dram__bytes.sum.per_second", "Gbyte/second", "3.00"), (TIME, "ms", "2.00"), name="rate.csv")
    assert rate.dram_bytes == pytest.approx(6e6) and rate.bandwidth_bytes_per_s == pytest.approx(3e9)  # type: ignore[attr-defined]
    one_way = derived((BYTES, "byte", "100"), (TIME, "ms", "1.00"), name="read.csv")
    assert one_way.dram_bytes is None and one_way.figures["dram_read_bytes"] == 100  # type: ignore[attr-defined]
    old = derived(("gpu__time_duration", "nsecond", "1288"), ("dram__read_bytes", "byte", "386528"),
                  ("dram__write_bytes", "byte", "0"), name="old.csv")  # fmt: skip
    assert old.dram_bytes == 386_528 and old.figures["duration_s"] == pytest.approx(1288e-9)  # type: ignore[attr-defined]


def test_what_is_missing_is_said_for_as_many_launches_as_lack_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page((TIME, "ns", "5"), ids=("0", "1")) + page((BYTES, "byte", "7"), ids=("2",)).split("\n", 1)[1]
    file = tmp_path / "page.csv"
    file.write_text(text)
    print_imported("page.csv", import_as_run(file, tmp_path / "profiles"), CATALOG)
    said = capsys.readouterr().out
    assert "missing in 1 of 3" in said and "missing in 2 of 3" in said
    (line,) = [line for line in said.splitlines() if line.startswith("not in this report")]
    assert "stalls; Grid; Block" in line and "Duration" not in line and len(line) < 360


def test_old_names_are_read_and_called_old(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "page.csv"
    file.write_text(page(("gpu__time_duration", "nsecond", "1,288"), ("SOL SM", "%", "12.5"), ("SOL FB", "%", "39.60")))
    imported = import_as_run(file, tmp_path / "profiles")
    print_imported("page.csv", imported, CATALOG)
    assert "names of ncu before 2021 (SOL FB, SOL SM, gpu__time_duration)" in capsys.readouterr().out
    figures = combined(imported.launches[imported.records[0].key])
    assert (figures["sm_share"], figures["dram_share"]) == (0.125, 0.396)


@pytest.mark.parametrize("order", [1, -1])
def test_one_label_of_two_sections_is_two_figures(tmp_path: Path, order: int) -> None:
    both = [("Memory Throughput", "%", "61.84"), ("Memory Throughput", "Gbyte/s", "196.00")][::order]
    figures = combined(read(tmp_path, page(*both)))
    assert figures["memory_share"] == pytest.approx(0.6184) and figures["dram_bytes_per_s"] == pytest.approx(196e9)
    assert "dram_bytes_per_s" not in combined(read(tmp_path, page(("Memory Throughput", "%", "61.84"))))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234", 1234), ("12,34,567", 1_234_567), ("1,234,567.5", 1_234_567.5), ("10 (4; 6)", 10), ("1e3", 1000),
        ("1,2,3", None), ("1 2 3", None), ("1.2.3", None), ("12:30", None), ("-nan(ind)", None), ("(!) n/a", None),
    ],
)  # fmt: skip
def test_numbers_are_whole_or_none(text: str, number: float | None) -> None:
    assert number_of(text, Fraction.POINT) == number
    assert is_nothing(text) == (text in ("-nan(ind)", "(!) n/a"))


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        ("scan_serial", "scan_serial"),
        ("void gemm<float, (bool)1>(float const*, int)", "gemm"),
        ("std::enable_if<!T7, void>::type internal::gemvx::kernel<int, (bool)0>(T13)", "internal::gemvx::kernel"),
        ("decltype(auto) foo<int>(int)", "foo"),
        ("(anonymous namespace)::helper(int)", "helper"),
        ("demo::<unnamed>::saxpy(float, const float *)", "demo::saxpy"),
        ("copy_blocked[v1,cw51cXTL](Array<long long, 1, C, mutable, aligned>, long long)", "copy_blocked"),
        ("Functor<int>::operator()(int) const", "Functor::operator()"),
        ("void (anonymous namespace)::k<at::native::f(at::Tensor&)::{lambda(int)#1}>(int)", "k"),
        ("_Z6kernelPKfPfi", "_Z6kernelPKfPfi"),
        ("", "kernel"),
    ],
)
def test_short_names(kernel: str, name: str) -> None:
    assert short_name(kernel) == name and slug(kernel)


FAILED = "\n==ERROR== An error occurred while trying to profile.\n==WARNING== No kernels were profiled.\n"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("==ERROR== Failed to prepare kernel for profiling\n==ERROR== Unknown Error on device 0.", "could not prepare a kernel"),
        ("==ERROR== Error: Failed to prepare kernel for profiling", "could not prepare a kernel"),
        ("==ERROR== An error was reported by the driver:\n==ERROR== Cuda driver is not compatible with Nsight Compute.", "take the ncu of the driver's"),
        ("==ERROR== LaunchFailed\n==ERROR== LaunchFailed", "run the program without ncu first"),
        ("==ERROR== An error was reported by the driver\n\n==ERROR== Cannot lock GPU clock frequencies on MIG!", "--clock-control none"),
        ("==ERROR== Error: InterprocessLockFailed", "set TMPDIR"),
        ("==ERROR== Failed to open/create lock file /tmp/nsight-compute-lock.", "set TMPDIR"),
        ("==ERROR== Profiling is not supported on device 0. To find out", "ncu --list-chips"),
        ("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission", "NVIDIA's control panel"),
        ("==ERROR== Failed to initialize the profiler: LibraryNotLoaded. Check", "NVIDIA_DRIVER_CAPABILITIES"),
        ("==ERROR== Failed to access the following 2 metrics: a__b.sum, c__d.avg", "(a__b.sum, c__d.avg)"),
        ("the program says ERR_NVGPUCTRPERM\n==PROF== Connected", "none was launched inside a range"),
        ("==ERROR== Something entirely new", "Something entirely new"),
    ],
)  # fmt: skip
def test_the_first_cause_that_ncu_itself_names_is_said(tmp_path: Path, output: str, words: str) -> None:
    problem = explain(output + FAILED, 9, tmp_path / "none.ncu-rep")
    assert problem is not None and words in str(problem), problem


def test_the_log_of_a_failed_ncu_kept_as_a_page_says_why(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="run as root"):
        read(tmp_path, "==PROF== Connected\n==ERROR== ERR_NVGPUCTRPERM - The user does not\n==PROF== Disconnected\n")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("SQLite format 3\x00rest", "as nsys export writes"),
        ("==1== NVPROF is profiling process 1\n", "output of nvprof"),
        ("Time (%),Total Time (ns),Instances,Avg (ns)\n", "a summary of nsys"),
        ("Index,KernelName,gpu-id,queue-id\n", "AMD's rocprof"),
        ('"Process ID","Kernel Name","Invocations","Section Name","Metric Name"\n', "--print-summary"),
        ('"Kernel Name","k"\n"#","Address","Source"\n', "--page source"),
        ('{"traceEvents": []}', "a trace in Chrome's form"),
        ("  k (1, 1, 1)x(8, 8, 1)\n    Section: GPU Speed Of Light\n", "ncu's output as text"),
        ("anything else\n", "not an Nsight Compute report"),
    ],
)
def test_other_tools_files_are_called_what_they_are(tmp_path: Path, start: str, words: str) -> None:
    with pytest.raises(Problem, match=words) as raised:
        read(tmp_path, start)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", ["1e300", "1e20", "-5", "9.3e18", "1e-300", "0", "99999999999999999999"])
def test_figures_that_no_launch_can_have(tmp_path: Path, value: str) -> None:
    names = ("launch__grid_size", "launch__block_size", "launch__registers_per_thread", "dram__bytes.sum", TIME,
             "device__attribute_compute_capability_major", "device__attribute_device_index")  # fmt: skip
    file = tmp_path / "page.csv"
    file.write_text(page(*((name, "", value) for name in names), ids=("0", "1")))
    _import(file, tmp_path / "profiles")
    (run,) = list_runs(tmp_path / "profiles")
    assert len(run.records()[0].key) < 80


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    with Path("/dev/zero").open("rb") as zeros, pytest.raises(Problem, match="which no page of ncu has"):
        read(tmp_path, b'"ID",' + zeros.read(40 << 20))


@pytest.mark.parametrize("text", [RAW_2021, RAW_2024, LONG, page((TIME, "ns", "1,5"), ids=("0", "1"))])
def test_broken_pages_are_a_line_or_right(tmp_path: Path, text: str) -> None:
    chance = random.Random(len(text))
    for number in range(60 * FUZZ):
        file = tmp_path / f"{number}.csv"
        file.write_bytes(broken_bytes(text.encode(), chance))
        _import(file, tmp_path / "profiles")
    assert all(run.run.finished for run in list_runs(tmp_path / "profiles"))


@needs_v100
def test_broken_reports_are_a_line_or_right(tmp_path: Path) -> None:
    chance = random.Random(5)
    data = V100.read_bytes()
    for number in range(6 * FUZZ):
        file = tmp_path / f"{number}.ncu-rep"
        file.write_bytes(broken_bytes(data, chance))
        _import(file, tmp_path / "profiles")


def _import(file: Path, profiles: Path) -> None:
    before = {p.name for p in profiles.iterdir()} if profiles.is_dir() else set()
    try:
        imported = import_as_run(file, profiles)
        print_imported(file.name, imported, CATALOG)
        json.dumps(as_json(imported, CATALOG))
    except Problem as problem:
        assert "\n" not in str(problem) and str(file) in str(problem), problem
        after = {p.name for p in profiles.iterdir()} if profiles.is_dir() else set()
        assert after == before, "something was left behind"
