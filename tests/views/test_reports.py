"""Reports of a profiler: kernels by time, rules by gain, two reports side by side, machine code with counts."""

from __future__ import annotations

import json
import lzma
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.profile.own_report import Made, report
from workbench.catalog import load_catalog
from workbench.cli import make_app
from workbench.problem import Problem
from workbench.profile.import_report import import_as_run
from workbench.show.report import write_report
from workbench.views.counters import launches_of, rule_rows
from workbench.views.filter import Filter
from workbench.views.measured_code import by_line, measured_code
from workbench.views.query import read_records
from workbench.views.report_kernels import diagnoses, ranked_rules, report_kernels, story
from workbench.views.report_pairs import Side, counter_pairs, kernel_pairs, match, read_side
from workbench.views.runs import RunSummary, run_summary

TIME, REGISTERS = "gpu__time_duration.sum", "launch__registers_per_thread"


def made(
    name: str, time: float, grid: int = 4, block: int = 32, rules: tuple[tuple[str, str, float], ...] = ()
) -> Made:
    metrics = {TIME: time, REGISTERS: 32.0, "launch__grid_size": float(grid), "launch__block_size": float(block),
               "dram__throughput.avg.pct_of_peak_sustained_elapsed": 80.0}  # fmt: skip
    return Made(name.partition("<")[0], f"void {name}(float *)", (grid, 1, 1), (block, 1, 1), metrics, rules=rules)


def written(folder: Path, name: str, launches: list[Made]) -> Path:
    file = folder / name
    file.write_bytes(report(launches))
    return file


def imported(tmp_path: Path, launches: list[Made]) -> RunSummary:
    run = import_as_run(written(tmp_path, "made.ncu-rep", launches), tmp_path / "profiles").run
    return run_summary(run.name, run.parent)


def kernels_of(run: RunSummary) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The kernels of a run by time, and the rules by gain."""
    records = read_records([run], Filter()).frame
    found = report_kernels(records, launches_of([run], records))
    return found, ranked_rules(found, rule_rows([run], records))


def test_kernels_by_time_with_their_share_and_what_binds_them(tmp_path: Path) -> None:
    run = imported(tmp_path, [made("a<float>", 1e6), made("a<int>", 6e6), made("a<float>", 2e6), made("b", 1e6)])
    found, _ = kernels_of(run)
    assert list(found["kernel"]) == ["a<int>", "a<float>", "b"]
    assert list(found["share_of_report"]) == pytest.approx([0.6, 0.3, 0.1])
    assert list(found["launches.counted"]) == [1, 2, 1] and set(found["binds"]) == {"DRAM"}
    assert story(found) == (
        "a<int> takes 60 % of the time of all launches under the profiler, bound by DRAM; 2 of 3 kernels make 90 %."
    )
    records = read_records([run], Filter()).frame
    names = [name for name, _ in diagnoses(found, launches_of([run], records))]
    assert names == list(found["kernel"])


def test_rules_stand_by_what_the_whole_report_would_gain(tmp_path: Path) -> None:
    small, large = (("Rule", "a large part of little", 90.0),), (("Other", "a small part of much", 20.0),)
    _, rules = kernels_of(imported(tmp_path, [made("short", 1e6, rules=small), made("long", 9e6, rules=large)]))
    assert list(rules["kernel"]) == ["long", "short"]
    assert list(rules["gain_of_report"]) == pytest.approx([0.18, 0.09])


def test_kernels_are_matched_by_name_arguments_and_grid_then_by_less(tmp_path: Path) -> None:
    a = [made("k<float>", 4e6), made("k<float>", 1e6, grid=8), made("m<1>", 5e6), made("only_a", 1e6)]
    b = [made("k<float>", 3e6, grid=8), made("k<float>", 2e6), made("m<2>", 5e6), made("only_b", 1e6)]
    sides = [read_side(str(written(tmp_path, f"{n}.ncu-rep", own)), tmp_path) for n, own in (("a", a), ("b", b))]
    matched = match(*sides)
    rows = kernel_pairs(matched).to_dict("records")
    assert [(r["kernel"], r["matched_by"], r["b_over_a"]) for r in rows] == [
        ("k (4×32)", "name, grid, block, range", pytest.approx(0.5)),
        ("k (8×32)", "name, grid, block, range", pytest.approx(3.0)),
        ("m", "name without template arguments", pytest.approx(1.0)),
    ]
    assert [one.signature for one in (*matched.only_a, *matched.only_b)] == [
        "void only_a(float *)", "void only_b(float *)",
    ]  # fmt: skip
    counters = counter_pairs(matched)
    own = counters[(counters["kernel"] == "m") & (counters["counter"] == REGISTERS)].iloc[0]
    assert (own["value_a"], own["value_b"], own["b_over_a"]) == (32.0, 32.0, 1.0)


def test_two_reports_of_one_kernel_each_are_two_versions_of_it(tmp_path: Path) -> None:
    sides = [Side(name, read_side(str(written(tmp_path, f"{name}.ncu-rep", [made(name, 1e6)])), tmp_path).launches)
             for name in ("naive", "vectorized")]  # fmt: skip
    (one,) = match(*sides).matches
    assert one.by == "the only kernel of each"


def test_compare_of_reports_prints_counters_and_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    slow = made("k<float>", 4e6)
    fast = replace(slow, metrics={**slow.metrics, TIME: 1e6, REGISTERS: 64.0})
    a = written(tmp_path, "a.ncu-rep", [slow])
    run = import_as_run(written(tmp_path, "b.ncu-rep", [fast]), tmp_path / "profiles").run.name
    words = ["compare", str(a), run, "--csv", "all.csv"]
    shown = CliRunner().invoke(make_app(), words)
    assert shown.exit_code == 0, shown.output
    assert "0.25x" in shown.output and "64 registers" in shown.output and "no verdict" in shown.output
    table = pd.read_csv(tmp_path / "all.csv")
    assert dict(zip(table["counter"], table["b_over_a"], strict=True))[REGISTERS] == 2.0
    plain = json.loads(CliRunner().invoke(make_app(), [*words[:3], "--json"]).stdout)
    assert plain["under_the_profiler"] and plain["kernels"][0]["b_over_a"] == pytest.approx(0.25)


@pytest.mark.parametrize("broken", [b"", b"NVR\0\x05\0\0", b"no report at all\n"])
def test_a_broken_report_is_one_line(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "b.ncu-rep").write_bytes(broken)
    a = written(tmp_path, "a.ncu-rep", [made("k", 1e6)])
    for words in (["compare", str(a), str(tmp_path / "b.ncu-rep")], ["report", str(tmp_path / "b.ncu-rep")]):
        ended = CliRunner().invoke(make_app(), words)
        assert isinstance(ended.exception, Problem) and "\n" not in str(ended.exception), words
    missing = CliRunner().invoke(make_app(), ["compare", str(a), str(tmp_path / "none.ncu-rep")]).exception
    assert isinstance(missing, Problem) and "no such file" in str(missing)


REAL = Path(__file__).parents[1] / "simulate" / "reports" / "h200" / "forward.ncu-rep.xz"


@pytest.fixture(scope="module")
def h200(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """A real report, of an H200."""
    folder = tmp_path_factory.mktemp("h200")
    (folder / "forward.ncu-rep").write_bytes(lzma.decompress(REAL.read_bytes()))
    run = import_as_run(folder / "forward.ncu-rep", folder / "profiles").run
    return run_summary(run.name, run.parent)


def test_machine_code_of_a_real_report_has_its_counts(h200: RunSummary) -> None:
    code = measured_code(h200, "gate_unfused_z")
    assert len(code) == 386 and list(code["address"][:2]) == ["0000", "0010"]
    touching = code[code["ncu.sectors"] > 0]
    assert len(touching) and touching["text"].str.contains("LDG|STG").all() and code["ncu.samples"].sum() > 0
    assert "20_unfused.cu" in set(code["file"]) and not code["file"].str.contains("/").any()
    lines = by_line(code)
    assert lines["ncu.samples"].is_monotonic_decreasing
    assert lines["ncu.executed"].sum() == code.loc[code["line"].notna(), "ncu.executed"].sum()
    assert measured_code(h200, "no such kernel").empty


def test_a_page_to_send_names_no_folder_and_no_machine_of_its_maker(h200: RunSummary, tmp_path: Path) -> None:
    kernels, _ = kernels_of(h200)
    assert set(kernels["binds"]) >= {"issue slots", "latency"}
    assert kernels["kernel"].is_unique, "records that share a kernel are told apart"
    page = write_report(h200, load_catalog(), tmp_path / "sent.html").read_text()
    body = page[page.index("<body>") :]
    assert "gate_fused (bfloat16)" in body and "Small Grid" in body and "bound by issue slots" in body
    assert str(h200.path) not in body and str(tmp_path.parent) not in body
    assert ".cu\n" not in body and "/kernel_variants/" not in body and "sweep --resume" not in body
