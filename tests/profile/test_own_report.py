"""Reports of our own making, through NVIDIA's reader: what a clean clone has of real reports."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaign.mutate import FUZZ, broken_bytes
from tests.profile.own_report import Made, report
from workbench.problem import Problem
from workbench.profile.import_report import import_as_run
from workbench.profile.read import read_launches
from workbench.profile.read_report import PIECE
from workbench.store.run_folder import open_run

pytestmark = pytest.mark.sliced

SCAN = Made(
    "_Z4scanIfEvPf", "void scan<float>(float *)", (7, 1, 1), (128, 1, 1),
    {"gpu__time_duration.sum": 1500.0, "dram__bytes_read.sum": 2048.0, "launch__registers_per_thread": 32.0,
     "launch__grid_size": 7.0, "launch__block_size": 128.0},
)  # fmt: skip
HALF = Made("_Z4scanI6__halfEvPf", "void scan<__half>(float *)", (7, 1, 1), (128, 1, 1), SCAN.metrics)


def written(tmp_path: Path, data: bytes, name: str = "made.ncu-rep") -> Path:
    file = tmp_path / name
    file.write_bytes(data)
    return file


def test_nvidias_reader_takes_it(tmp_path: Path) -> None:
    first, second = read_launches(written(tmp_path, report([SCAN, HALF])))
    assert first.kernel == "_Z4scanIfEvPf" and first.signature == "void scan<float>(float *)"
    assert second.signature == "void scan<__half>(float *)"
    assert first.number("dram__bytes_read.sum") == 2048 and first.number("launch__registers_per_thread") == 32
    assert dict(first.metrics) == dict(second.metrics) and len(first.metrics) == 5


def test_instances_of_one_template_make_a_record_each(tmp_path: Path) -> None:
    imported = import_as_run(written(tmp_path, report([SCAN, HALF, SCAN])), tmp_path / "profiles")
    records = open_run(imported.run).records()
    assert [(r.factors["kernel"], r.counted.launches) for r in records] == [
        ("void scan<float>(float *)", 2), ("void scan<__half>(float *)", 1),
    ]  # fmt: skip
    assert records[0].build[0].registers == 32
    assert open_run(imported.run).run.command == ["workbench", "import", "made.ncu-rep"], "no path of whoever imported"


def test_many_launches_are_read_in_pieces_and_in_order(tmp_path: Path) -> None:
    many = [Made(f"k{n}", metrics={"gpu__time_duration.sum": float(n)}) for n in range(2 * PIECE + 3)]
    assert [launch.kernel for launch in read_launches(written(tmp_path, report(many)))] == [m.kernel for m in many]


@pytest.mark.parametrize("keep", [0, 3, 10, 60, -1])
def test_a_cut_report_is_a_line(tmp_path: Path, keep: int) -> None:
    with pytest.raises(Problem) as raised:
        list(read_launches(written(tmp_path, report([SCAN, HALF])[:keep])))
    assert "\n" not in str(raised.value)


def test_a_launch_that_the_reader_gives_up_on_is_a_line_and_no_empty_record(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"NVIDIA's reader cannot read it .*a launch of it is empty"):
        list(read_launches(written(tmp_path, report([SCAN, replace(HALF, whole=False)]))))


KEY = "scan.serial.b4-t4096-h1024.float32.normal.forward.cuda"


def test_ranges_and_rules_come_through_nvidias_reader(tmp_path: Path) -> None:
    made = [
        replace(SCAN, ranges=[("workbench", KEY)], rules=[("SOLBottleneck", "See @section:a:Occupancy@.", 12.5)]),
        replace(SCAN, ranges=[("default", "run_test"), ("default", "encoder"), ("mine", "aten::mm, seq = 5")]),
        replace(SCAN, ranges=[("default", "run_test"), ("default", "decoder")]),
        replace(SCAN, ranges=[("default", "run_test"), ("default", "decoder")]),
    ]  # fmt: skip
    file = written(tmp_path, report(made))
    keyed, encoder, decoder, _ = read_launches(file)
    assert (keyed.ranges, keyed.own_ranges) == ((KEY,), ())
    assert encoder.own_ranges == ("run_test", "encoder", "aten::mm") and decoder.own_ranges == ("run_test", "decoder")
    (rule,) = keyed.rules
    assert (rule.rule, rule.title, rule.message) == ("SOLBottleneck", "title of SOLBottleneck", "See Occupancy.")
    assert (rule.kind, rule.speedup_type, rule.estimated_speedup_percent) == ("optimization", "global", 12.5)
    records = import_as_run(file, tmp_path / "profiles").records
    assert [(r.operation, r.factors.get("range"), r.counted.launches) for r in records] == [
        ("scan", None, 1), ("unnamed", "run_test/encoder/aten::mm", 1), ("unnamed", "run_test/decoder", 2),
    ]  # fmt: skip


def test_broken_bytes_inside_of_a_report_are_a_line_or_right(tmp_path: Path) -> None:
    """The blocks stay as they are, so that all of it reaches NVIDIA's reader: hostile to its parser."""
    chance = random.Random(4)
    data = report([replace(SCAN, ranges=[("d", "encoder")], rules=[("R", "text", 1.0)]), HALF])
    payload = data.index(b"_Z4scanIfEvPf")
    for number in range(14 * FUZZ):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 2, 8))):
            broken[chance.randrange(payload, len(data))] = chance.choice((0, 255, chance.randrange(256)))
        file = written(tmp_path, bytes(broken), f"{number}.ncu-rep")
        try:
            imported = import_as_run(file, tmp_path / f"profiles-{number}")
        except Problem as problem:
            assert str(problem).isprintable() and str(file) in str(problem)
            assert not (tmp_path / f"profiles-{number}").exists()
        else:
            assert open_run(imported.run).run.finished


def test_broken_reports_are_a_line_or_right(tmp_path: Path) -> None:
    chance = random.Random(3)
    data = report([SCAN, HALF, SCAN])
    for number in range(14 * FUZZ):
        file = written(tmp_path, broken_bytes(data, chance), f"{number}.ncu-rep")
        try:
            list(read_launches(file))
        except Problem as problem:
            assert "\n" not in str(problem) and str(file) in str(problem)
