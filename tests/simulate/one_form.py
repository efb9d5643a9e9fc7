"""One form run by itself: a program that loads rows from memory, runs the form, and stores rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.simulate.launch import Counts, Options, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.program import ABSENT, LANES, File, Flow, Instruction, Program, Special


def run_form(
    form: str,
    layout: str,
    inputs: Sequence[NDArray[Any]],
    shared: NDArray[Any] | None = None,
    options: Options | None = None,
    **fields: Any,
) -> tuple[list[NDArray[np.uint64]], Counts]:
    """Runs `form` for one warp → what its outputs hold per lane, and the counts.

    `layout` has a letter per operand: `d` and `D` an output of 32 and 64 bits, `s` and `S` a source, taken from
    `inputs` in order, `m` a row of all ones, `-` none. With `shared`, that many bytes are put there first, and sources
    are addresses into it.
    """
    file = File()
    lane, all_lanes = file.special(Special.LANE), file.constant(0xFFFFFFFF)
    offset, address, word = file.rows(2), file.rows(2), file.rows()
    file.constant(0)
    columns = [np.asarray(a).astype(np.uint64, copy=False) for a in inputs]
    memory = Memory()
    memory.put("in", np.stack(columns) if columns else np.zeros((1, LANES), np.uint64))
    memory.put("out", np.zeros((max(1, sum(c in "dD" for c in layout)), LANES), np.uint64), writable=True)
    code = [Instruction("mul.lo.u32", (offset, lane, file.constant(8)))]

    def at(parameter: int, row: int) -> None:
        code.append(Instruction("add.u64", (address, file.parameter(parameter, 2), offset)))
        code.append(Instruction("add.u64", (address, address, file.constant(8 * LANES * row, 2))))

    operands, outputs, taken = [], [], 0
    for letter in layout:
        if letter == "-":
            operands.append(ABSENT)
        elif letter == "m":
            operands.append(all_lanes)
        else:
            rows = file.rows(2)
            operands.append(rows)
            if letter in "dD":
                outputs.append(rows)
            else:
                at(0, taken)
                code.append(Instruction("load", (address, rows), bytes=8))
                taken += 1
    static = 0
    if shared is not None:
        static = -(-shared.nbytes // 128) * 128
        memory.put("shared", np.frombuffer(shared.tobytes().ljust(static, b"\0"), np.uint32))
        memory.put("shared_out", np.zeros(static // 4, np.uint32), writable=True)
        _copy(code, file, lane, word, static, 16, from_shared=False)
    code.append(Instruction(form, tuple(operands), **fields))
    for row, rows in enumerate(outputs):
        at(8, row)
        code.append(Instruction("store", (address, rows), bytes=8))
    if shared is not None:
        _copy(code, file, lane, word, static, 24, from_shared=True)
    code.append(Instruction(None, flow=Flow.EXIT))
    program = Program(form, code, file, static_shared=static)
    names = ("in", "out", "shared", "shared_out")
    block = b"".join(((memory.address(n) if n in memory else 0) or 0).to_bytes(8, "little") for n in names)
    counts = simulate(program, (1, 1, 1), (LANES, 1, 1), block, memory, options=options)
    made = [memory.array("out")[k] for k in range(len(outputs))]
    if shared is not None:
        made.append(memory.array("shared_out").view(np.uint8))
    narrow = [c for c in layout if c in "dD"]
    made[: len(narrow)] = [m if c == "D" else m & 0xFFFFFFFF for m, c in zip(made, narrow, strict=False)]
    return made, counts


def _copy(
    code: list[Instruction], file: File, lane: int, word: int, size: int, parameter: int, from_shared: bool
) -> None:
    """Shared memory filled from a buffer, or emptied into one."""
    place, address = file.rows(2), file.rows(2)
    for start in range(0, size, 4 * LANES):
        code.append(Instruction("mul.lo.u32", (place, lane, file.constant(4))))
        code.append(Instruction("add.u32", (place, place, file.constant(start))))
        code.append(Instruction("add.u64", (address, file.parameter(parameter, 2), place)))
        if from_shared:
            code.append(Instruction("load", (place, word), space=1, address_rows=1))
            code.append(Instruction("store", (address, word)))
        else:
            code.append(Instruction("load", (address, word)))
            code.append(Instruction("store", (place, word), space=1, address_rows=1))
