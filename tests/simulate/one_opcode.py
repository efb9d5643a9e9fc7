"""One PTX instruction over columns of operands: the smallest kernel around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.simulate.launch import simulate
from workbench.simulate.memory import Memory
from workbench.simulate.ptx import read_module

BITS = {"pred": 32, "f32x2": 64, "f16x2": 32, "bf16x2": 32, "bf16": 16, "tf32": 32}
HEAD = ".version 8.5\n.target sm_90\n.address_size 64\n"


def bits_of(kind: str) -> int:
    return BITS.get(kind) or int(kind.lstrip("busf"))


def kernel(body: str, registers: str = "") -> str:
    """A kernel of two pointers, `in` and `out`, that runs `body` with the thread's number in %n."""
    return f"""{HEAD}
.visible .entry k(.param .u64 k_in, .param .u64 k_out)
{{
    .reg .b32 %n; .reg .b32 %block; .reg .b32 %size; .reg .b64 %in; .reg .b64 %out; .reg .b64 %at;
    {registers}
    ld.param.u64 %in, [k_in];
    ld.param.u64 %out, [k_out];
    mov.u32 %block, %ctaid.x;
    mov.u32 %size, %ntid.x;
    mov.u32 %n, %tid.x;
    mad.lo.s32 %n, %block, %size, %n;
    mul.wide.u32 %at, %n, 8;
    add.s64 %in, %in, %at;
    add.s64 %out, %out, %at;
    {body}
    ret;
}}
"""


def run_kernel(text: str, columns: NDArray[np.uint64], outputs: int) -> NDArray[np.uint64]:
    """`columns` is (inputs, n), n a multiple of 32; the result is (outputs, n)."""
    memory = Memory()
    n = columns.shape[1]
    memory.put("in", columns)
    memory.put("out", np.zeros((outputs, n), np.uint64), writable=True)
    block = b"".join((memory.address(name) or 0).to_bytes(8, "little") for name in ("in", "out"))
    simulate(read_module(text).program("k"), (n // 32, 1, 1), (32, 1, 1), block, memory)
    return memory.array("out")


def evaluate(
    opcode: str, made: Sequence[str], given: Sequence[str], columns: Sequence[NDArray[Any]], extra: str = ""
) -> list[NDArray[np.uint64]]:
    """What `opcode` makes of the columns: the bits of its destinations, whose types are `made` (`p|`: two predicates).

    Columns hold bits. Sources of 8 and 16 bits have noise above them, which must not matter.
    """
    n = len(columns[0]) if columns else 32
    registers, body, operands = [], [], []
    targets: list[str] = []
    for k, kind in enumerate(made):
        names = [f"%d{k}a", f"%d{k}b"] if kind == "pred|" else [f"%d{k}"]
        declared = "pred" if kind.startswith("pred") else f"b{max(16 if bits_of(kind) == 16 else 32, bits_of(kind))}"
        registers += [f".reg .{declared} {name};" for name in names]
        targets += names
        operands.append("|".join(names))
    for k, kind in enumerate(given):
        width = bits_of(kind)
        offset = 8 * n * k
        if kind == "pred":
            registers.append(f".reg .b32 %w{k}; .reg .pred %s{k};")
            body.append(f"ld.global.u32 %w{k}, [%in+{offset}]; setp.ne.s32 %s{k}, %w{k}, 0;")
        else:
            registers.append(f".reg .b{max(16 if width == 16 else 32, width)} %s{k};")
            body.append(f"ld.global.b{16 if width == 16 else max(32, width)} %s{k}, [%in+{offset}];")
        operands.append(f"%s{k}")
    body.append(f"{opcode} {', '.join(operands)}{extra};")
    for k, name in enumerate(targets):
        kind = next(d for d in " ".join(registers).split(";") if d.strip().endswith(f" {name}")).split()[1]
        if kind == ".pred":
            registers.append(f".reg .b32 %o{k};")
            body.append(f"selp.b32 %o{k}, 1, 0, {name}; st.global.b32 [%out+{8 * n * k}], %o{k};")
        else:
            body.append(f"st.global{kind} [%out+{8 * n * k}], {name};")
    data = np.stack([np.asarray(c, np.uint64) for c in columns]) if columns else np.zeros((1, n), np.uint64)
    found = run_kernel(kernel("\n    ".join(body), "\n    ".join(registers)), data, len(targets))
    return list(found)
