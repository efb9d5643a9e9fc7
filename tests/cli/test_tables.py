"""Tables at any width: names and figures whole, sentences below, square brackets as they stand."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.cli.conftest import Run
from workbench.cli.terminal import UNLIMITED, Column, Row, table_lines

COLUMNS = (Column("variant"), Column("median", right=True), Column("idea", breaks=True))
ROWS = [
    Row(("a[i]", "12.5 ms", "every step at once, a launch per level"), note="y = x[i] + [/bold] oops"),
    Row(("look_back_fixed", "574 µs", "one pass")),
]
WORDS = st.text(alphabet="abcxyz[]/=µ", min_size=1, max_size=12)


def text_of(width: int) -> list[str]:
    return [line.plain for line in table_lines("title", COLUMNS, ROWS, width)]


def test_a_pipe_gets_each_row_on_one_line() -> None:
    lines = text_of(UNLIMITED)
    assert lines[2].split() == ["a[i]", "12.5", "ms", *ROWS[0].cells[2].split()]
    assert lines[-1] == "a[i]: y = x[i] + [/bold] oops"


def test_in_a_narrow_terminal_only_sentences_are_broken() -> None:
    lines = text_of(50)
    assert max(map(cell_len, lines)) <= 50
    assert sum("12.5 ms" in line for line in lines) == 1 and sum("look_back_fixed" in line for line in lines) == 1
    narrower = text_of(30)
    assert max(map(cell_len, narrower)) <= 30
    assert any("median 574 µs" in line for line in narrower), narrower


@given(
    cells=st.lists(st.tuples(WORDS, WORDS, st.lists(WORDS, max_size=8).map(" ".join)), min_size=1, max_size=4),
    width=st.integers(min_value=12, max_value=120),
)
def test_nothing_is_ever_lost_or_cut(cells: list[tuple[str, str, str]], width: int) -> None:
    lines = [line.plain for line in table_lines("", COLUMNS, [Row(row) for row in cells], width)]
    found = " ".join(lines).split()
    for row in cells:
        for word in " ".join(row).split():
            assert word in found
    longest = max(len(word) for word in [*" ".join(map(" ".join, cells)).split(), "variant", "median"])
    assert max(map(cell_len, lines)) <= max(width, 2 * longest + len("variant") + 4)


def test_compare_at_80_columns_and_piped(workbench: Run, tmp_path: Path) -> None:
    committed = Path(__file__).parents[2] / "profiles" / "cpu-epyc-2-cores"
    for name in ("one", "two"):
        shutil.copytree(committed, tmp_path / "profiles" / name)
    piped = workbench("compare", "one", "two")
    row = next(line for line in piped.stdout.splitlines() if "batched_streaming" in line)
    assert "layer" in row and "B=4 T=1024 D=512 H=512 O=512 float32" in row and row.count("53.5 ms") == 2
    narrow = workbench("compare", "one", "two", COLUMNS="80").stdout
    assert max(map(cell_len, narrow.splitlines())) <= 80
    for words in ("batched_streaming", "B=4 T=1024 D=512 H=512 O=512 float32", "A 53.5 ms", "verdict same"):
        assert words in narrow


def test_doctor_and_occupancy_at_80_columns_and_piped(workbench: Run) -> None:
    for arguments in (["doctor"], ["occupancy", "--registers", "32:128:x2", "--block", "128,256"]):
        narrow = workbench(*arguments, COLUMNS="80").stdout.splitlines()
        assert max(map(cell_len, narrow)) <= 80, narrow
    piped = workbench("doctor", COLUMNS="").stdout.splitlines()
    rows = [line for line in piped[:-2] if line]
    assert all(line.split("  ")[0] and any(f"  {s} " in line for s in ("ok", "missing", "wrong")) for line in rows)
    figures = workbench("occupancy", "--registers", "32,64", COLUMNS="80").stdout.splitlines()
    assert figures[1].split()[:2] == ["block", "registers"], "side by side"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["compare", "one", "one", "--across-timers"], id="compare", marks=pytest.mark.thorough),
        pytest.param(["doctor"], id="doctor", marks=pytest.mark.thorough),
        pytest.param(["list", "scan"], id="list"),
        pytest.param(["occupancy", "--registers", "32"], id="occupancy"),
        pytest.param(["build", "scan", "--variants", "simd"], id="build", marks=pytest.mark.thorough),
    ],
)
def test_tables_in_any_locale_and_behind_a_closed_output(workbench: Run, tmp_path: Path, arguments: list[str]) -> None:
    shutil.copytree(Path(__file__).parents[2] / "profiles" / "cpu-epyc-2-cores", tmp_path / "profiles" / "one")
    ascii_only = workbench(*arguments, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert ascii_only.stdout.isascii() and ascii_only.stdout and "Traceback" not in ascii_only.stderr
    command = shlex.join([sys.executable, "-m", "workbench", *arguments])
    closed = subprocess.run(f"{command} >&-", shell=True, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert closed.returncode == ascii_only.returncode and closed.stderr == ascii_only.stderr


def test_list_fits_80_columns(workbench: Run) -> None:
    lines = workbench("list", "scan", COLUMNS="80").stdout.splitlines()
    assert max(map(cell_len, lines)) <= 80 and any(line.startswith("look_back_fixed") for line in lines)
