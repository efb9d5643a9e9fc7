"""The chain of waits of a traced warp, from control codes written by hand."""

from __future__ import annotations

from workbench.simulate.chain import longest_chain
from workbench.simulate.launch import Traced
from workbench.simulate.sass.text import Line

NONE = 7


def line(opcode: str, stall: int = 1, sets: int = NONE, wait: int = 0, operands: str = "") -> Line:
    """`sets`: the counter that its result releases; `wait`: a mask of counters."""
    bits = stall | 1 << 4 | sets << 5 | NONE << 8 | wait << 11
    return Line(0, f"{opcode} {operands}".strip(), None, opcode, (), bits << 105)


def chain(*lines: Line) -> tuple[int, int, int, int]:
    """Issue cycles along the longest chain, and its waits for global memory, shared memory and everything else."""
    waits = longest_chain([Traced(k, 0xFFFFFFFF, {}) for k in range(len(lines))], lines)
    return waits.issue, waits.on_global, waits.on_shared, waits.on_other


def test_loads_under_way_side_by_side_are_one_wait() -> None:
    assert chain(line("LDG.E", 2, 0), line("LDG.E", 3, 1), line("FADD", 4, wait=0b11)) == (6, 1, 0, 0)


def test_a_load_that_waits_for_another_is_a_second_wait() -> None:
    assert chain(line("LDG.E", 1, 0), line("LDG.E", 1, 1, wait=0b01), line("FADD", 1, wait=0b10)) == (1, 2, 0, 0)


def test_a_load_that_nobody_waits_for_is_no_wait() -> None:
    assert chain(line("LDG.E", 1, 0), line("FADD", 4), line("FADD", 4)) == (9, 0, 0, 0)


def test_shared_memory_and_special_functions_are_kinds_of_their_own() -> None:
    assert chain(line("LDS", 1, 0), line("MUFU.EX2", 1, 1, wait=1), line("FADD", 1, wait=2)) == (1, 0, 1, 1)


def test_copies_are_waited_for_by_their_groups() -> None:
    copies = [line("LDGSTS.E"), line("LDGDEPBAR", sets=0), line("LDGSTS.E"), line("LDGDEPBAR", sets=0)]
    assert chain(*copies, line("DEPBAR.LE", operands="SB0, 0x1"))[1] == 1
    assert chain(*copies)[1] == 0


def test_asking_in_vain_is_no_part_of_the_chain() -> None:
    poll, again = line("SYNCS.PHASECHK.TRANS64.TRYWAIT", 5), line("BRA", 5)
    trace = [Traced(k, 1, {}) for k in (0, 1, 0, 1, 0, 1)]
    assert longest_chain(trace, [poll, again]).issue == 10
    work = line("STG.E", 5)
    assert longest_chain([Traced(k, 1, {}) for k in (0, 1, 0, 1)], [poll, work]).issue == 20
