"""wmma: products of 16 × 16 matrices whose fragments only the instructions themselves know how to hold.

Which lane has which element is nobody's business but that of loads, products and stores together. Here it is that of
mma.m16n8k16, of which a product is two: lane 4 g + t has the pairs of elements at 8 i + g along one axis of the matrix
and 8 j + 2 t along the other. The second axis is the one that is summed over, or the columns of what comes out.
"""

from __future__ import annotations

import re

from workbench.simulate.program import ABSENT, Special
from workbench.simulate.ptx.draft import Operand, Virtual
from workbench.simulate.ptx.lower import Lowering
from workbench.simulate.ptx.memory import SPACES, fields_of, need, vector
from workbench.simulate.ptx.reader import Statement

_MOVE = re.compile(r"wmma\.(load|store)\.([abcd])\.sync\.aligned\.(row|col)\.m16n16k16((?:\.[a-z:]+)?)\.(f16|bf16|f32)")
_PRODUCT = re.compile(
    r"wmma\.mma\.sync\.aligned\.(?:row|col)\.(?:row|col)\.m16n16k16\.(f16|f32)(?:\.(bf16)\.bf16)?\.(f16|f32)(\.satfinite)?"
)
_PAIRS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Which i and j the registers of a fragment have, in their order."""
_OF_B = ((0, 0), (0, 1), (1, 0), (1, 1))


def _registers(matrix: str, kind: str) -> int:
    """How many a fragment has; of float16 A and B each value is there twice."""
    if matrix in "cd":
        return 8 if kind == "f32" else 4
    return 8 if kind == "f16" else 4


def fragments(low: Lowering, statement: Statement) -> None:
    """Any wmma instruction. Raises Problem for other shapes and types."""
    if found := _MOVE.fullmatch(statement.opcode):
        loads, matrix, layout, space, kind = found.groups()
        if (matrix == "d") == (loads == "store") and (kind == "f32") <= (matrix in "cd") and (kind, matrix) not in (
            ("bf16", "c"), ("bf16", "d"),
        ):  # fmt: skip
            _move(low, statement, loads == "load", matrix, layout, space[1:], kind)
            return
    elif found := _PRODUCT.fullmatch(statement.opcode):
        d, brain, c, saturates = found.groups()
        if c == d and not (brain and d == "f16"):
            _multiply(low, statement, brain or "f16", d, bool(saturates))
            return
    raise low.unknown()


def _move(
    low: Lowering, statement: Statement, loads: bool, matrix: str, layout: str, space: str, kind: str
) -> None:  # fmt: skip
    need(low, statement, 2, 3)
    if space and space not in SPACES:
        raise low.unknown()
    given = list(statement.operands)
    at, registers = (given[1], given[0]) if loads else (given[0], given[1])
    names = vector(low, registers, _registers(matrix, kind))
    rows = [low.destination(name, "b32") if loads else low.source(name, "b32") for name in names]
    stride = low.source(given[2], "u32") if len(given) == 3 else low.file.constant(16)
    address = low.address(at)
    size = 4 if kind == "f32" else 2
    beside = layout == ("col" if matrix == "b" else "row")  # pairs lie side by side

    def made(form: str, *sources: Operand, wide: bool = False) -> Virtual:
        result = Virtual(2 if wide else 1)
        low.emit(form, result, *sources, written=(0,))
        return result

    constant = low.file.constant
    lane = low.file.special(Special.LANE)
    along, across = made("shr.u32", lane, constant(2)), made("shl.b32", made("and.b32", lane, constant(3)), constant(1))
    row, column = (along, across) if beside else (across, along)
    step = made("mul.lo.u32", stride, constant(size))
    first = made("add.u64", made("mul.wide.u32", row, step, wide=True),
                 made("mul.wide.u32", column, constant(size), wide=True), wide=True)  # fmt: skip
    if address.row != ABSENT:
        base = made("widen.u32", address.row, wide=True) if address.rows == 1 else address.row
        first = made("add.u64", first, base, wide=True)
    fields = fields_of(low, SPACES[space] if space else None, address) | {"address_rows": 2}
    offset = fields.pop("immediate")
    lines: dict[int, Virtual] = {0: first}

    def line(number: int) -> Virtual:
        """The address so many rows of memory further on."""
        if number not in lines:
            far = made("mul.wide.u32", step, constant(number), wide=True)
            lines[number] = made("add.u64", first, far, wide=True)
        return lines[number]

    def access(where: Virtual, bytes_behind: int, bytes: int, *values: Operand) -> None:
        written = tuple(range(1, 1 + len(values))) if loads else ()
        low.emit("load" if loads else "store", where, *values, written=written, bytes=bytes, elements=len(values),
                 immediate=offset + bytes_behind, **fields)  # fmt: skip

    for place, (i, j) in enumerate(_OF_B if matrix == "b" else _PAIRS):
        pair = rows[2 * place : 2 * place + 2] if kind == "f32" else rows[place : place + 1]
        if beside:
            access(line(8 * i), 8 * j * size, 4, *pair)
        elif kind == "f32":
            for e, value in enumerate(pair):
                access(line(8 * j + e), 8 * i * size, 4, value)
        elif loads:
            halves = Virtual(1), Virtual(1)
            for e, half in enumerate(halves):
                access(line(8 * j + e), 8 * i * size, 2, half)
            low.emit("or.b32", pair[0], halves[0], made("shl.b32", halves[1], constant(16)), written=(0,))
        else:
            access(line(8 * j), 8 * i * size, 2, pair[0])
            access(line(8 * j + 1), 8 * i * size, 2, made("shr.u32", pair[0], constant(16)))
    if loads and matrix in "ab" and kind == "f16":
        for again, value in zip(rows[4:], rows[:4], strict=True):
            low.emit("mov.b32", again, value, written=(0,))


def _multiply(low: Lowering, statement: Statement, kind: str, sums: str, saturates: bool) -> None:
    need(low, statement, 4)
    counts = (_registers("d", sums), _registers("a", kind), _registers("b", kind), _registers("c", sums))
    names = [vector(low, text, count) for text, count in zip(statement.operands, counts, strict=True)]
    made = [low.destination(name, "b32") for name in names[0]]
    a, b, c = ([low.source(name, "b32") for name in part] for part in names[1:])
    half = counts[0] // 2
    results: list[Operand] = [Virtual(1) for _ in made]  # a register of D may be one of A or B
    for k in range(2):
        part = slice(half * k, half * (k + 1))
        low.emit(f"mma.m16n8k16.{sums}.{kind}", *results[part], *a[:4], *b[2 * k : 2 * k + 2], *c[part],
                 written=tuple(range(half)), variant=int(saturates))  # fmt: skip
    for to, value in zip(made, results, strict=True):
        low.emit("mov.b32", to, value, written=(0,))
