"""Two texts of code beside each other: every line once, what differs marked, and each with its own count."""

from __future__ import annotations

from pathlib import Path

from workbench.show.code_view import code_view, counts_view, pair_view
from workbench.store.record import BuildFact
from workbench.views.code_pair import (
    CodeLine,
    PairedLine,
    machine_code,
    operation,
    paired,
    source_code,
    told,
    written,
)
from workbench.views.machine_code import Line


def texts(*lines: str) -> list[CodeLine]:
    return [CodeLine(number, text) for number, text in enumerate(lines, start=1)]


def sides(rows: list[PairedLine]) -> list[tuple[int | None, int | None, bool]]:
    return [(row.a and row.a.number, row.b and row.b.number, row.differs) for row in rows]


def test_a_line_has_the_instructions_that_came_of_it(tmp_path: Path) -> None:
    source = tmp_path / "k.cu"
    source.write_text("first\nsecond\n")
    lines = [Line(16 * n, "MOV", "integer", source, 2) for n in range(3)]
    lines.append(Line(48, "MOV", "integer", tmp_path / "io.cuh", 1))  # of a header: none of this source's lines
    assert source_code(source, lines) == [CodeLine(1, "first", 0), CodeLine(2, "second", 3)]


def test_changed_lines_stand_beside_what_they_were() -> None:
    a = texts("begin", "state = a * state + b;", "  store(h, state);", "end")
    b = texts("begin", "float next[AHEAD];", "state = a * state + next[t];", "store(h,  state);", "end")
    rows = paired(a, b, written)
    # The changed sum stands beside what it was, though a new line comes before it; spaces change nothing.
    assert sides(rows) == [(1, 1, False), (None, 2, True), (2, 3, True), (3, 4, False), (4, 5, False)]


def test_every_line_stands_there_once_in_its_order() -> None:
    a, b = texts(*"abcdefgh"), texts(*"xbcdyyzgha")
    rows = paired(a, b, written)
    assert [row.a.number for row in rows if row.a] == list(range(1, 9))
    assert [row.b.number for row in rows if row.b] == list(range(1, 11))
    assert all(row.a and row.b and row.a.text == row.b.text for row in rows if not row.differs)


def test_registers_that_were_named_anew_are_no_difference() -> None:
    a = machine_code([Line(0, "FFMA R1, R2, R3, R1", "ffma", None, 0), Line(16, "@P0 BRA `(.L_1)", "branch", None, 0)])
    b = machine_code([Line(0, "FFMA R9, R8, R7, R9", "ffma", None, 0), Line(16, "@!P1 BRA `(.L_7)", "branch", None, 0)])
    assert [operation(line) for line in a] == ["FFMA", "BRA"]
    assert sides(paired(a, b, operation)) == [(1, 1, False), (2, 2, False)]
    c = machine_code([Line(0, "FMUL R9, R8, R7", "fmul", None, 0)])
    assert [row.differs for row in paired(a, c, operation)] == [True, True]


def test_long_stretches_of_both_are_left_out_and_counted() -> None:
    a = texts(*(f"line {n}" for n in range(40)))
    b = [CodeLine(line.number, line.text) for line in a]
    b[20] = CodeLine(21, "something else altogether")
    b[30] = CodeLine(31, a[30].text, count=4)  # the same text of which more came
    shown = told(paired(a, b, written), around=2)
    assert [one for one in shown if isinstance(one, int)] == [18, 5, 7]
    assert told(paired(a, a, written)) == [40]


def test_what_is_drawn_is_escaped_and_the_chosen_line_is_marked() -> None:
    drawn = code_view([CodeLine(1, "<script>alert(1)</script>", 2), CodeLine(2, "b")], chosen=2)
    assert "<script" not in drawn and "&lt;script&gt;" in drawn
    assert drawn.count("chosen") == 1 and 'class="code-line chosen" data-line="2"' in drawn
    rows = told(paired(texts("<i>", "same"), texts("<b>", "same"), written))
    both = pair_view(rows, "a<", "b<")
    assert "<i>" not in both and "&lt;b&gt;" in both and "a&lt;" in both and both.count("code-pair differs") == 1


def test_counts_stand_beside_each_other_with_their_difference() -> None:
    def fact(registers: int, **mix: int) -> BuildFact:
        return BuildFact(
            arch="sm_90", kernel="k", source="k.cu", registers=registers, shared_bytes=0, stack_bytes=0, spill_bytes=0,
            code_bytes=64, block_threads=128, occupancy_theoretical=1.0, occupancy_limiter="warps", sass_mix=mix,
        )  # fmt: skip

    table = counts_view(fact(32, ffma=4, total=10), fact(40, ffma=4, mufu=6, total=16), "one", "other")
    assert table.index("total") < table.index("mufu") < table.index("ffma")
    for cells in (("10", "16", "+6"), ("0", "6", "+6"), ("4", "4", ""), ("32", "40", "+8")):
        assert "".join(f'<td class="number">{cell}</td>' for cell in cells) in table
