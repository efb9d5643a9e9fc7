"""`workbench import`: a report becomes a run, or counters beside the records of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.profile.build_run import contents, make_record, make_run
from tests.profile.fake_ncu import page
from tests.profile.test_read import LONG, RAW_2021, RAW_2024, V100, needs_v100
from workbench.cli import make_app
from workbench.problem import Problem
from workbench.profile.import_report import import_as_run, import_into_run
from workbench.profile.kernel_names import slug
from workbench.profile.upload import store_upload
from workbench.store.counters import has_counters, read_counters, read_launches, read_rules
from workbench.store.run_folder import open_run


def written(folder: Path, text: str, name: str = "page.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_kernels_that_nobody_declared_become_records_of_an_unnamed_operation(tmp_path: Path) -> None:
    imported = import_as_run(written(tmp_path, RAW_2021), tmp_path / "profiles")
    folder = open_run(imported.run)
    assert folder.run.finished
    (record,) = folder.records()
    assert (record.operation, record.variant, record.status.value) == ("unnamed", "scan_serial", "ok")
    assert record.time is None, "a time under ncu is no time"
    assert record.counted.launches == 1
    counters = read_counters(imported.run)
    duration = counters[counters.metric == "gpu__time_duration.sum"].iloc[0]
    assert (duration.value, duration.unit, duration.kernel) == (pytest.approx(41.5e-6), "s", "scan_serial")


def test_a_record_a_range_and_a_record_a_kernel_outside(tmp_path: Path) -> None:
    imported = import_as_run(written(tmp_path, RAW_2024), tmp_path / "profiles")
    inside, outside = open_run(imported.run).records()
    assert (inside.operation, inside.variant) == ("scan", "serial")
    assert inside.key == "scan.serial.b4-t4096-h1024.float32.normal.forward.cuda"
    assert outside.key == "unnamed.empty.g128-t128.cuda"
    assert inside.build[0].arch == "sm_90"


def test_missing_counters_are_kept_by_name_and_never_zero(tmp_path: Path) -> None:
    imported = import_as_run(written(tmp_path, RAW_2024), tmp_path / "profiles")
    counters = read_counters(imported.run, "unnamed.empty.g128-t128.cuda")
    missing = counters[counters.metric == "dram__bytes_read.sum"].iloc[0]
    assert missing.isna()["value"] and missing.isna()["text"]
    assert open_run(imported.run).records()[1].counted.bytes is None


def test_launches_of_one_kernel_are_kept_each(tmp_path: Path) -> None:
    imported = import_as_run(written(tmp_path, LONG), tmp_path / "profiles")
    (record,) = open_run(imported.run).records()
    assert record.counted.launches == 2
    launches = read_launches(imported.run)[record.key]
    assert [launch.number("dram__bytes_read.sum") for launch in launches] == [2500, 7]
    assert launches[0].rules[0].estimated_speedup_percent == 25.5
    assert list(read_rules(imported.run).launch) == [0]


def test_kernels_that_differ_in_template_arguments_stay_apart(tmp_path: Path) -> None:
    header = '"ID","Kernel Name","Block Size","Grid Size","m__x.sum"\n"","","","",""\n'
    kernels = ("void gemm<float>()", "void gemm<half>()", "void gemm<float>()")
    rows = "".join(f'"{n}","{kernel}","(32, 1, 1)","(8, 1, 1)","1"\n' for n, kernel in enumerate(kernels))
    imported = import_as_run(written(tmp_path, header + rows), tmp_path / "profiles")
    counted = {record.key: record.counted.launches for record in imported.records}
    assert counted == {"unnamed.gemm.g8-t32.cuda": 2, "unnamed.gemm.g8-t32.2.cuda": 1}


def test_a_second_import_of_one_name_gets_a_name_of_its_own_and_one_file_is_imported_once(tmp_path: Path) -> None:
    report = written(tmp_path, RAW_2021)
    first = import_as_run(report, tmp_path / "profiles").run.name
    again = import_as_run(report, tmp_path / "profiles")
    assert again.already and again.run.name == first
    other = import_as_run(written(tmp_path, RAW_2024), tmp_path / "profiles").run.name
    assert (first, other) == ("imported-page", "imported-page-2")


@pytest.mark.parametrize("name", ["", "..", "a/b/../..", "x" * 400 + ".csv", "a\0b.csv", "é\udcff.csv", "tab\t\n.csv"])
def test_whatever_a_browser_calls_a_file(tmp_path: Path, name: str) -> None:
    found = store_upload(name, RAW_2021.encode(), tmp_path / "profiles", None)
    assert open_run(tmp_path / "profiles" / found.run).records()
    with pytest.raises(Problem) as raised:
        store_upload(name, b"no report", tmp_path / "profiles", None)
    assert str(raised.value).isprintable()


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "caf\udce9\n.csv"
    file.write_text(RAW_2021)
    folder = open_run(import_as_run(file, tmp_path / "profiles").run)
    assert folder.run.command[-1] == "caf\\udce9\\n.csv"
    file.write_text("no report")
    result = CliRunner().invoke(make_app(), ["import", str(file), "--profiles", str(tmp_path / "profiles")])
    assert isinstance(result.exception, Problem)


def test_one_bad_report_of_several_does_not_cost_the_others(tmp_path: Path) -> None:
    good, bad = written(tmp_path, RAW_2021), written(tmp_path, "no report\n", "bad.csv")
    words = ["import", str(bad), str(good), "--profiles", str(tmp_path / "profiles")]
    result = CliRunner().invoke(make_app(), [*words, "--json"])
    assert result.exit_code == 1 and "bad.csv: not an Nsight Compute report" in result.stderr
    assert [(one["file"], one["already"]) for one in json.loads(result.stdout)] == [(str(good), False)]
    assert "is there already" in CliRunner().invoke(make_app(), [words[0], str(good), *words[3:]]).stdout


def test_a_failed_import_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem):
        import_as_run(written(tmp_path, RAW_2024[:-60]), tmp_path / "profiles")
    assert not (tmp_path / "profiles").exists()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.store.counters.CounterTable.write", full_disk)
    with pytest.raises(Problem, match="No space left"):
        import_as_run(written(tmp_path, RAW_2021), tmp_path / "profiles")
    assert list((tmp_path / "profiles").iterdir()) == []


def test_joined_by_range_and_never_by_counting(tmp_path: Path) -> None:
    records = [make_record("serial"), make_record("vector")]
    folder = make_run(tmp_path / "profiles", *records)
    text = page([f"workbench@{record.key}/" for record in reversed(records)] + ["workbench@somebody.else/"])
    imported = import_into_run(written(tmp_path, text), folder)
    assert set(imported.launches) == {record.key for record in records}
    assert imported.outside == 2
    assert imported.unknown_ranges == ("somebody.else",)
    first = read_counters(folder.path, records[0].key)
    assert list(dict.fromkeys(first.kernel)) == ["kernel_0", "kernel_1"]


def test_records_are_left_as_they_were(tmp_path: Path) -> None:
    record = make_record()
    folder = make_run(tmp_path / "profiles", record)
    before = contents(folder.path)
    import_into_run(written(tmp_path, page([f"workbench@{record.key}/"])), folder)
    after = contents(folder.path)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"counters.parquet", "rules.parquet", "reports/page.csv"}


def test_a_report_of_another_run_says_whose_it_is(tmp_path: Path) -> None:
    record = make_record()
    make_run(tmp_path / "profiles", record)
    other = make_run(tmp_path / "profiles", make_record("vector"), name="b-run")
    report = written(tmp_path, page([f"workbench@{record.key}/"]))
    with pytest.raises(Problem, match="its ranges are those of run a-run: --run a-run"):
        import_into_run(report, other)
    assert not has_counters(other.path)
    with pytest.raises(Problem, match="none of its 1 launches lies in a range"):
        import_into_run(written(tmp_path, RAW_2021), other)


def test_a_report_that_could_have_joined_a_run_says_so(tmp_path: Path) -> None:
    record = make_record()
    make_run(tmp_path / "profiles", record)
    report = written(tmp_path, page([f"workbench@{record.key}/"]))
    result = CliRunner().invoke(make_app(), ["import", str(report), "--profiles", str(tmp_path / "profiles")])
    assert "its ranges are those of run a-run: --run a-run joins them to its records" in result.output
    joined = ["import", str(report), "--run", "a-run", "--profiles", str(tmp_path / "profiles")]
    assert "its ranges" not in CliRunner().invoke(make_app(), joined).output


def test_a_record_of_several_kernels_has_a_row_each_and_one_for_their_sum(tmp_path: Path) -> None:
    record = make_record()
    make_run(tmp_path / "profiles", record)
    report = written(tmp_path, page([f"workbench@{record.key}/"], launches=10))
    words = ["import", str(report), "--run", "a-run", "--profiles", str(tmp_path / "profiles")]
    lines = CliRunner().invoke(make_app(), words, env={"COLUMNS": "250"}).output.splitlines()
    (whole,) = [line for line in lines if line.startswith("scan/serial")]
    assert "10 of 1 declared" in whole and "128 µs" in whole and "20 MB" in whole
    (part,) = [line for line in lines if line.startswith("  kernel_3")]
    assert "12.8 µs" in part and "2 MB" in part and "declared" not in part
    assert any("2 kernels more" in line for line in lines)


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        ("void cutlass::Kernel2<cutlass_80_simt_sgemm>(T1::Params)", "cutlass_kernel2"),
        ("void (anonymous namespace)::elementwise<float>(int)", "elementwise"),
        ("scan_serial", "scan_serial"),
        ("<<<>>>", "kernel"),
    ],
)
def test_slugs(kernel: str, name: str) -> None:
    assert slug(kernel) == name


def test_the_command_prints_table_advice_and_what_is_missing(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        make_app(), ["import", str(written(tmp_path, LONG)), "--profiles", str(tmp_path / "profiles")]
    )
    assert result.exit_code == 0, result.output
    assert "2 launches in 1 record on unknown GPU, 5 metrics" in result.output
    assert "NVIDIA, up to 26 % (global): SOLBottleneck. Low occupancy." in result.output
    assert "not in this report" in result.output
    assert "(--json names the metrics; ncu --set full collects them)" in " ".join(result.output.split())


def test_the_command_prints_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        make_app(), ["import", str(written(tmp_path, RAW_2021)), "--json", "--profiles", str(tmp_path / "profiles")]
    )
    (imported,) = json.loads(result.output)
    (record,) = imported["records"]
    assert record["figures"]["dram_read_bytes"] == 134217728
    assert record["dram_bytes"] is None, "written bytes are missing, so that the sum is"


@needs_v100
def test_the_v100_report(tmp_path: Path) -> None:
    imported = import_as_run(V100, tmp_path)
    assert len(imported.records) == 5
    assert imported.metrics == 676
    assert len(read_counters(imported.run)) == 5 * 676
    assert len(read_rules(imported.run)) > 50
    third = imported.records[2]
    assert third.counted.bytes == 1209119616 + 1267902560
    assert (third.build[0].registers, third.build[0].occupancy_limiter) == (64, "registers")
