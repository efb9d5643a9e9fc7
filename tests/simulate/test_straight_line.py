"""Random straight-line PTX gives the same from its text as from the machine code that ptxas makes of it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests.campaign.mutate import FUZZ
from tests.simulate.straight_line import ARCH, accepted, apart, comparable
from workbench.problem import Problem
from workbench.simulate.ptx.forms import FORMS

pytestmark = pytest.mark.sliced

LATER = ("sm_100", "sm_120")
"""Whose machine code has other forms: ptxas writes integers of 64 bits for sm_120 as one instruction."""
LENGTH, PROGRAMS = 32, 4
"""Opcodes of a program, and how many programs a run of the tests has; WORKBENCH_FUZZ takes every opcode there is."""
IN_MACHINE_CODE = r"opcode (?:I2I|F2IP)|PLOP3.*\.SIGN|modifier \.(?:SATFINITE|XORSIGN|MERGE_C) is not known"
"""What machine code is refused for that these opcodes become: by name, and not by a wrong result."""


FOUND = (
    ("max.f64", 39), ("min.f64", 39), ("cvt.rpi.sat.f64.f64", 25), ("max.relu.s16x2", 1), ("min.u16x2", 1),
    ("add.s16x2", 1), ("max.relu.s32", 1), ("min.s16", 1), ("vabsdiff4.u32.u32.u32", 3), ("bfe.u64", 1),
    ("vabsdiff4.u32.u32.u32.add", 3), ("vabsdiff4.s32.s32.s32.add", 3), ("fma.rn.relu.bf16", 27), ("bfe.s64", 2),
    ("subc.cc.u32", 1), ("sub.cc.s64", 1), ("fma.rn.bf16", 15), ("fma.rn.bf16x2", 4),
)  # fmt: skip
"""What has differed once or was refused, and the seed whose values showed it."""


def programs() -> list[list[str]]:
    opcodes = [opcode for opcode in FORMS if comparable(opcode)]
    random.Random(1).shuffle(opcodes)
    every = [opcodes[k : k + LENGTH] for k in range(0, len(opcodes), LENGTH)]
    return every if FUZZ > 1 else every[:: len(every) // PROGRAMS][:PROGRAMS]


def agree(opcodes: list[str], seed: int, folder: Path, arch: str = ARCH) -> int:
    """How many of the opcodes were compared; those whose machine code is refused are told from the others by halves."""
    one, _ = accepted(opcodes, seed, arch)
    if not one.results:
        return 0
    try:
        told = apart(one, folder, seed, arch)
    except Problem as problem:
        left = [opcode for opcode in opcodes if any(opcode == made for made, _ in one.results)]
        if len(left) == 1:
            assert re.search(IN_MACHINE_CODE, str(problem)), problem
            return 0
        return sum(agree(half, seed, folder, arch) for half in (left[::2], left[1::2]))
    assert not told, told
    return len(one.results)


def cases() -> list[tuple[str, int]]:
    """(architecture, number of a program): one program of each later architecture where not all are asked for."""
    every = range(len(programs()))
    later = [(arch, n) for k, arch in enumerate(LATER) for n in (every if FUZZ > 1 else [1 + k])]
    return [(ARCH, n) for n in every] + later


@pytest.mark.parametrize(("arch", "number"), cases())
def test_both_front_ends_agree_on_what_the_instruction_set_settles(arch: str, number: int, tmp_path: Path) -> None:
    opcodes = programs()[number]
    assert agree(opcodes, number, tmp_path, arch) > len(opcodes) // 4


@pytest.mark.parametrize(("opcode", "seed"), FOUND)
def test_what_has_differed_once_agrees(opcode: str, seed: int, tmp_path: Path) -> None:
    assert agree([opcode], seed, tmp_path)
