"""Random straight-line PTX, assembled by ptxas: what the same text gives from PTX and from its own machine code.

A program draws instructions from the table of forms, each on values of its operands' types that earlier ones left or
that were loaded, and stores every result: none can be removed, and the first that differs is told. Left out is what the
instruction set leaves open: approximations, products and sums that ptxas may join (no rounding is written), bits that
mean nothing (of tf32, of a NaN's payload: those are compared as NaNs).
"""

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.simulate.exactly import FORMATS, operands
from workbench.compile import unit_of
from workbench.compile.nvrtc import compile_cuda
from workbench.declare import Kernel, Plan
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan
from workbench.simulate.ptx.forms import FORMS

ARCH, THREADS = "sm_90", 128
OPEN = re.compile(
    r"approx|full|tf32|^(?:add|sub|mul|mad|fma)(?:\.ftz)?(?:\.sat)?\.(?:f32|f64|f16|bf16|f16x2|bf16x2|f32x2)$|^copysign"
)
"""What the instruction set leaves open to the compiler or the hardware."""
REFUSED = re.compile(r"\.ftz\b.*f16|satfinite.*(?:f16|bf16)|xorsign")
"""What becomes machine code that is refused by name: halves without denormals, what is held to finite values, joined
signs."""
GIVEN = {"i16": ("u16", 2), "i32": ("u32", 4), "i64": ("u64", 3), "f32": ("f32", 4), "f64": ("f64", 3),
         "f16": ("f16", 2), "bf16": ("bf16", 2), "f16x2": ("f16x2", 2), "bf16x2": ("bf16x2", 2),
         "f32x2": ("u64", 3)}  # fmt: skip
"""Pool of registers → the kind of its first values, and how many."""
DECLARED = {"i16": "b16", "i32": "b32", "i64": "b64", "f32": "f32", "f64": "f64", "f16": "b16", "bf16": "b16",
            "f16x2": "b32", "bf16x2": "b32", "f32x2": "b64", "p": "pred"}  # fmt: skip
BITS = {"i16": 16, "i32": 32, "i64": 64, "f32": 32, "f64": 64, "f16": 16, "bf16": 16, "f16x2": 32, "bf16x2": 32,
        "f32x2": 64}  # fmt: skip


FIELD = ("%first", "%length")
"""Registers for where a field of bits begins, and how many it has."""


def pool_of(kind: str) -> str:
    """Where registers of a form's type are kept: integers by their width, floats by their format."""
    if kind in DECLARED:
        return kind
    width = max(16, int(kind.lstrip("bus")))
    return f"i{width}"


def comparable(opcode: str) -> bool:
    return not OPEN.search(opcode) and not REFUSED.search(opcode)


@dataclass
class Program:
    """The body of a kernel in PTX, and which opcode left which result in which slot of its output."""

    text: str
    results: list[tuple[str, str]] = field(default_factory=list)
    """Per result the opcode and the pool."""


def program(opcodes: list[str], seed: int) -> Program:
    """One straight line of these opcodes on random sources."""
    draw = random.Random(seed)
    registers: dict[str, list[str]] = {pool: [] for pool in DECLARED}
    body: list[str] = []
    results: list[tuple[str, str]] = []

    def new(pool: str) -> str:
        name = f"%{pool}_{len(registers[pool])}"
        registers[pool].append(name)
        return name

    slot = 0
    for pool, (_, count) in GIVEN.items():
        for _ in range(count):
            body.append(f"ld.global.b{BITS[pool]} {new(pool)}, [%in+{slot * 8 * THREADS}];")
            slot += 1
    for k in range(2):
        body.append(f"setp.lt.u32 {new('p')}, {registers['i32'][k]}, {registers['i32'][k + 1]};")

    def source(kind: str) -> str:
        pool = pool_of(kind)
        name = draw.choice(registers[pool][-6:] if draw.random() < 0.6 else registers[pool])
        if pool == "p":
            return name if draw.random() < 0.7 else f"!{name}"
        return name

    def result(pool: str, opcode: str) -> str:
        results.append((opcode, pool))
        return new(pool)

    def store() -> None:
        """The newest result, a predicate as a word."""
        number, pool = len(results) - 1, results[-1][1]
        name = registers[pool][-1]
        if pool == "p":
            body.append(f"selp.u32 %bit, 1, 0, {name};")
            name = "%bit"
        body.append(f"st.global.b{BITS.get(pool, 32)} [%out+{number * 8 * THREADS}], {name};")

    for opcode in opcodes:
        form = FORMS[opcode]
        sources = [str(draw.randrange(256)) if o == "#" else source(o[1:]) for o in form.operands if o[0] in "<#"]
        made = pool_of(form.operands[0][1:].rstrip("|"))
        if opcode.startswith(("div", "rem")) and made[0] == "i":  # by zero is open
            divisor = f"%divisor_{made}"
            body.append(f"or.b{BITS[made]} {divisor}, {sources[-1]}, 1;")
            sources[-1] = divisor
        if opcode.startswith(("bfe.", "bfi.")):  # places and lengths beyond 255 are open
            body += [f"and.b32 {field}, {given}, 255;" for field, given in zip(FIELD, sources[-2:], strict=True)]
            sources[-2:] = FIELD
        if "c" in form.operands:  # a carry to take
            makes = "sub" if opcode.startswith("sub") else "add"
            body.append(f"{makes}.cc.u32 %carried, {source('u32')}, {source('u32')};")
        body.append(f"{opcode} {result(made, opcode)}, {', '.join(sources)};")
        store()
        if "c" in form.operands and ".cc" in opcode:
            # What a subtraction borrows is for subc alone: as a carry it is the machine's, the other way round.
            takes = "subc" if opcode.startswith("sub") else "addc"
            body.append(f"{takes}.u32 {result('i32', f'carry of {opcode}')}, 0, 0;")
            store()
    declared = [f".reg .{DECLARED[pool]} {name};" for pool, names in registers.items() for name in names]
    declared += [f".reg .b32 %bit, %carried, {', '.join(FIELD)};"]
    declared += [f".reg .b{BITS[pool]} %divisor_{pool};" for pool in ("i16", "i32", "i64")]
    places = (
        ".reg .b32 %thread; .reg .b64 %in, %out, %place;\n"
        "mov.u32 %thread, %tid.x;\nmul.wide.u32 %place, %thread, 8;\n"
        "cvta.to.global.u64 %in, $FROM;\ncvta.to.global.u64 %out, $TO;\n"
        "add.u64 %in, %in, %place;\nadd.u64 %out, %out, %place;\n"
    )
    return Program("{\n" + places + "\n".join(declared + body) + "\n}\n", results)


def assembled(text: str, arch: str = ARCH) -> tuple[bytes | None, bytes, str]:
    """A PTX body as NVRTC and its ptxas make of it: machine code (None: refused), PTX, and what they say."""
    escaped = text.replace("%", "%%").replace("$FROM", "%0").replace("$TO", "%1")
    lines = "\n".join(f'"{line}\\n"' for line in escaped.splitlines())
    source = (
        'extern "C" __global__ void line(const void *from, void *to) {\n'
        f'asm volatile({lines} :: "l"(from), "l"(to) : "memory");\n}}\n'
    )
    options = [f"--gpu-architecture={arch}", "--std=c++17"]
    made = compile_cuda("line.cu", source, options, [], "cubin")
    if made.code is not None:
        return made.code, made.ptx, ""
    options[0] = f"--gpu-architecture={arch.replace('sm_', 'compute_')}"
    return None, compile_cuda("line.cu", source, options, [], "ptx").ptx, made.log


def accepted(opcodes: list[str], seed: int, arch: str = ARCH) -> tuple[Program, list[str]]:
    """The program of those opcodes that ptxas takes, and the others: the table also has some that no GPU has."""
    left, refused = list(opcodes), []
    while left:
        one = program(left, seed)
        code, ptx, said = assembled(one.text, arch)
        if code is not None:
            return one, refused
        lines = ptx.decode().splitlines()
        words = {lines[int(n) - 1].split()[0] for n in re.findall(r"line (\d+); error", said)}
        assert words & set(left), said
        refused += [opcode for opcode in left if opcode in words]
        left = [opcode for opcode in left if opcode not in words]
    return Program(""), refused


def given(seed: int) -> NDArray[np.uint64]:
    """A column of 64 bits per first value and thread."""
    columns = []
    for kind, count in GIVEN.values():
        columns += [np.asarray(c).astype(np.uint64) for c in operands(kind, count, THREADS, seed)]
    return np.stack(columns)


def results(path: Path, count: int, inputs: NDArray[np.uint64], arch: str = ARCH) -> NDArray[np.uint64]:
    """What the kernel in a PTX or cubin file stores, a row per result."""
    memory = Memory()
    memory.put("x", inputs)
    memory.put("y", np.zeros((count, THREADS), np.uint64), writable=True)
    kernel = Kernel(path, "line", (1, 1, 1), (THREADS, 1, 1), ("x", "y"))
    run_plan(Plan((kernel,)), "float32", memory, {unit_of(kernel, "float32", arch): path}, arch)
    return np.array(memory.array("y"))


def unified(column: NDArray[np.uint64], pool: str) -> NDArray[np.uint64]:
    """With one NaN for all: what bits it has is not settled."""
    kind = pool.removesuffix("x2")
    if kind not in FORMATS:
        return column
    exponent, fraction = FORMATS[kind]
    ones, infinity = (1 << 1 + exponent + fraction) - 1, ((1 << exponent) - 1) << fraction
    for shift in (0, 1 + exponent + fraction) if pool.endswith("x2") else (0,):
        size = column >> np.uint64(shift) & np.uint64(ones >> 1)
        none = column & ~np.uint64(ones << shift) | np.uint64(infinity + 1 << shift)
        column = np.where(size > infinity, none, column)
    return column


def apart(one: Program, folder: Path, seed: int, arch: str = ARCH) -> list[str]:
    """A line per opcode whose results differ, the first in the program's order first; sources of later ones may differ
    because of it."""
    name = f"{zlib.crc32(one.text.encode()):08x}"  # what a file holds is read once
    ptx, cubin = folder / f"{name}.ptx", folder / f"{name}.cubin"
    code, text, said = assembled(one.text, arch)
    assert code is not None, said
    ptx.write_bytes(text)
    cubin.write_bytes(code)
    inputs = given(seed)
    from_ptx, from_code = (results(path, len(one.results), inputs, arch) for path in (ptx, cubin))
    told = []
    for k, (opcode, pool) in enumerate(one.results):
        a, b = unified(from_ptx[k], pool), unified(from_code[k], pool)
        if (a != b).any():
            lane = int(np.flatnonzero(a != b)[0])
            told.append(f"{opcode}, result {k}, thread {lane}: PTX {int(a[lane]):#x}, machine code {int(b[lane]):#x}")
    return told
