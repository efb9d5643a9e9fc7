"""Forms that others spell out: packed halves, flushed operands, comparisons joined with a predicate, slct.

What they come down to is tested against exact arithmetic elsewhere; here each is held to it, over edges and random
operands. A run of the tests has a slice of them, WORKBENCH_FUZZ all.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.campaign.mutate import FUZZ
from tests.simulate.exactly import flushed, operands
from tests.simulate.one_opcode import bits_of, evaluate
from workbench.simulate.ptx.forms import FORMS

pytestmark = pytest.mark.sliced

N, A_SLICE = 256, 8
JOINS = {
    "and": lambda x, c: x & c, "or": lambda x, c: x | c, "xor": lambda x, c: x ^ c,
}  # fmt: skip
Column = NDArray[np.uint64]


def kinds(opcode: str) -> tuple[list[str], list[str]]:
    """Types of an opcode's destinations and sources, as `evaluate` takes them."""
    names = {"p": "pred", "p|": "pred|"}
    made = [names.get(o[1:], o[1:]) for o in FORMS[opcode].operands if o[0] == ">"]
    return made, [names.get(o[1:], o[1:]) for o in FORMS[opcode].operands if o[0] == "<"]


def outcome(opcode: str, columns: list[Column]) -> list[Column]:
    made, given = kinds(opcode)
    return evaluate(opcode, made, given, columns)


def inputs(opcode: str) -> list[Column]:
    """A column per source; halves of a pair each have the edges of their format."""
    columns = []
    for k, kind in enumerate(kinds(opcode)[1]):
        half = kind.removesuffix("x2")
        column = np.asarray(operands(half, k + 1, N, seed=k + 3)[k]).astype(np.uint64)
        if half != kind:
            column = column | np.roll(column, 7 * k + 1) << np.uint64(bits_of(kind) // 2)
        columns.append(column)
    return columns


def some(opcodes: list[str], key: str) -> list[str]:
    return opcodes if FUZZ > 1 else opcodes[zlib.crc32(key.encode()) % A_SLICE :: A_SLICE]


def chosen(key: str, wanted: Any) -> list[str]:
    return some([opcode for opcode in FORMS if wanted(opcode)], key)


def packed(opcode: str) -> bool:
    scalar = opcode.replace("x2", "")
    return (
        ("f16x2" in opcode or "f32x2" in opcode)
        and scalar in FORMS
        and opcode.split(".")[0] not in ("set", "cvt", "mov")
    )


@pytest.mark.parametrize("opcode", chosen("packed", packed))
def test_a_pair_is_two_of_one_value(opcode: str) -> None:
    scalar, columns = opcode.replace("x2", ""), inputs(opcode)
    made = outcome(opcode, columns)
    halves = []
    bits = 32 if "f32x2" in opcode else 16
    ones = np.uint64((1 << bits) - 1)
    for shift in (0, bits):
        own = [c >> np.uint64(shift) & ones if k.endswith("x2") else c
               for c, k in zip(columns, kinds(opcode)[1], strict=True)]  # fmt: skip
        halves.append(outcome(scalar, own)[0])
    if opcode.startswith("setp"):  # the second predicate is that of the high halves
        assert (made[0] == halves[0]).all() and (made[1] == halves[1]).all()
    else:
        assert (made[0] == (halves[0] & ones | halves[1] << np.uint64(bits))).all()


def flushes(opcode: str) -> bool:
    return opcode.split(".")[0] in ("setp", "set", "slct") and ".ftz" in opcode and opcode.endswith("f32")


@pytest.mark.parametrize("opcode", chosen("flushed", flushes))
def test_flushing_is_of_the_operands(opcode: str) -> None:
    columns = inputs(opcode)
    without = [
        np.array([flushed(int(x), "f32") for x in c], np.uint64) if kind == "f32" and compared else c
        for c, (kind, compared) in zip(columns, _compared(opcode), strict=True)
    ]
    for with_ftz, plain in zip(outcome(opcode, columns), outcome(opcode.replace(".ftz", ""), without), strict=True):
        assert (with_ftz == plain).all()


def _compared(opcode: str) -> list[tuple[str, bool]]:
    """Types of the sources, and which of them decide: all but the values that slct chooses from."""
    given = kinds(opcode)[1]
    return [(kind, not opcode.startswith("slct") or k == 2) for k, kind in enumerate(given)]


def joins(opcode: str) -> bool:
    words = opcode.split(".")
    return words[0] in ("setp", "set") and words[2] in JOINS and "x2" not in opcode


@pytest.mark.parametrize("opcode", chosen("joined", joins))
def test_a_comparison_is_joined_with_a_predicate(opcode: str) -> None:
    columns = inputs(opcode)
    word = opcode.split(".")[2]
    alone, predicate = opcode.replace(f".{word}", "", 1), columns[2] != 0
    made, compared = outcome(opcode, columns), outcome(alone, columns[:2])[0]
    wanted = JOINS[word](compared != 0, predicate)
    assert ((made[0] != 0) == wanted).all()
    if opcode.startswith("setp"):  # and the second of what is not so
        assert ((made[1] != 0) == JOINS[word](compared == 0, predicate)).all()


@pytest.mark.parametrize("opcode", chosen("slct", lambda o: o.startswith("slct.") and ".ftz" not in o))
def test_slct_asks_for_a_sign(opcode: str) -> None:
    a, b, c = inputs(opcode)
    if opcode.endswith("s32"):
        first = c.astype(np.uint32).view(np.int32) >= 0
    else:
        first = c.astype(np.uint32).view(np.float32) >= 0  # -0 too; nothing that is no number
    assert (outcome(opcode, [a, b, c])[0] == np.where(first, a, b)).all()
