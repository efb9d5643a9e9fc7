"""Pages of ncu among whatever else a shell wrote into the file: no launch and no metric is lost without a word."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.profile.test_forms import HEADER, SHARE, TIME, page, read
from workbench.problem import Problem
from workbench.profile.import_report import import_as_run
from workbench.profile.read import read_launches

ROWS = page((TIME, "ns", "117,344"), (SHARE, "%", "65.77"), ids=("0", "1")).splitlines()


@pytest.mark.parametrize(
    "noise",
    ["100\n", "5,3,2\n", '"hello\n', 'a 5" disk\n', "iteration 7", "loss: 3,",
     "it's done; ", '"quoted" ', "\n", "== 3 ==\n"],
)  # fmt: skip
@pytest.mark.parametrize("where", [0, 1, 2, 3, 4, 5])
def test_what_the_program_prints_takes_no_row_along(tmp_path: Path, noise: str, where: int) -> None:
    lines = [line + "\n" for line in ROWS]
    text = "".join(lines[:where]) + noise + "".join(lines[where:])
    found = read(tmp_path, text)
    assert [(one.number(TIME), one.number(SHARE)) for one in found] == [(pytest.approx(117_344e-9), 65.77)] * 2


def test_a_message_of_several_lines_stays_one_cell(tmp_path: Path) -> None:
    header = HEADER + ',"Rule Name","Rule Type","Rule Description"'
    message = 'first line\n100\n"0" is ""quoted"", says it\nlast'.replace('"0"', '""0""')
    rule = f'"0","7","k(int)","0","8.9","s","","","","SOLBottleneck","OPT","{message}"'
    (launch,) = read(tmp_path, "\n".join([header, ROWS[1], rule]) + "\n")
    assert launch.rules[0].message == 'first line 100 "0" is "quoted", says it last'


def test_numbers_of_launches_may_have_thousands(tmp_path: Path) -> None:
    found = read(tmp_path, page((TIME, "ns", "5"), ids=("999", "1,000", "1.001")))
    assert len(found) == 3


def test_a_row_that_is_cut_is_a_line_and_not_left_out(tmp_path: Path) -> None:
    text = "\n".join(ROWS)
    with pytest.raises(Problem, match="cut short"):
        read(tmp_path, text[:-30])
    with pytest.raises(Problem, match="cut short at launch 0"):
        read(tmp_path, "\n".join([ROWS[0], '"0","7","k(int)"', *ROWS[1:]]) + "\n")


def test_a_header_without_quotes_is_read_too(tmp_path: Path) -> None:
    """As a spreadsheet saves it."""
    text = f"ID,Kernel Name,Device,CC,{TIME}\n,,,,ns\n0,k,0,8.9,5\n1,k,0,8.9,7\n"
    assert [one.number(TIME) for one in read(tmp_path, text)] == [pytest.approx(5e-9), pytest.approx(7e-9)]


def test_what_never_ends_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("/dev/zero", str(tmp_path)):
        with pytest.raises(Problem, match=r"no file|directory"):
            import_as_run(Path(name), tmp_path / "profiles")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.open("wb").close(), daemon=True).start()
    with pytest.raises(Problem, match="no file"):
        read_launches(pipe)
