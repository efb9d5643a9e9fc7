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
    assert [(r.factors["kernel"], r.launches.counted) for r in records] == [
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


def test_broken_reports_are_a_line_or_right(tmp_path: Path) -> None:
    chance = random.Random(3)
    data = report([SCAN, HALF, SCAN])
    for number in range(14 * FUZZ):
        file = written(tmp_path, broken_bytes(data, chance), f"{number}.ncu-rep")
        try:
            list(read_launches(file))
        except Problem as problem:
            assert "\n" not in str(problem) and str(file) in str(problem)
