"""A few lines of SASS, written by hand, run by one warp: registers and predicates in, registers and predicates out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.simulate.launch import Options, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.program import Flow, Instruction, Program, Special
from workbench.simulate.sass.cubin import KernelFacts
from workbench.simulate.sass.lower import kernel_state, lower_line
from workbench.simulate.sass.state import Kernel
from workbench.simulate.sass.text import sections_of

LANES = 32
EDGES = (
    0,
    1,
    2,
    31,
    32,
    33,
    0x7F,
    0x80,
    0xFF,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0x80000001,
    0xFFFFFFFE,
    0xFFFFFFFF,
)


@dataclass
class After:
    registers: dict[int, Any] = field(default_factory=dict)
    predicates: dict[int, list[bool]] = field(default_factory=dict)


def printed(lines: Iterable[str | tuple[str, int]], name: str = "k") -> str:
    """The lines as nvdisasm prints them; a line with a number carries it as its encoding."""
    out = [f"//--------------------- .text.{name} --------------------------", f".text.{name}:"]
    for at, line in enumerate(lines):
        text, encoding = line if isinstance(line, tuple) else (line, 0)
        out.append(f"        /*{16 * at:04x}*/   {text} ;   /* {encoding & (1 << 64) - 1:#018x} */")
        out.append(f"                            /* {encoding >> 64:#018x} */")
    return "\n".join(out) + "\n"


def facts(lines: int, **changed: Any) -> KernelFacts:
    given: dict[str, Any] = {
        "name": "k", "arch": "sm_90", "registers": 64, "code_bytes": 16 * lines, "parameter_base": 0x210,
        "parameter_bytes": 16, "parameters": ((0, 8), (8, 8)), "static_shared": 0, "reserved_shared": 0,
        "local_bytes": 0,
    }  # fmt: skip
    return KernelFacts(**{**given, **changed})


def state_of(lines: Iterable[str | tuple[str, int]], **changed: Any) -> Kernel:
    lines = list(lines)
    return kernel_state(facts(len(lines), **changed), sections_of(printed(lines), "test")["k"])


def run(
    lines: Iterable[str | tuple[str, int]],
    registers: Mapping[int, Any] | None = None,
    predicates: Mapping[int, Iterable[int]] | None = None,
    results: Iterable[int] = (0,),
    result_predicates: Iterable[int] = (),
    **changed: Any,
) -> After:
    """Runs the lines with R1… from `registers` (32 words each) and P0… from `predicates` (32 truths each)."""
    results, result_predicates = list(results), list(result_predicates)
    # Lines that nobody reaches name every register that is set or read, so that all have rows.
    everything = [*lines, "EXIT", *(f"MOV R{r}, R{r}" for r in {*(registers or {}), *results})]
    kernel = state_of(everything, **changed)
    rows, file = kernel.registers, kernel.registers.file
    begin, end = file.rows(2), file.rows(2)
    lane, four, true, zero = (
        file.special(Special.LANE), file.constant(4), file.predicate_constant(True), file.constant(0),
    )  # fmt: skip
    bit = file.rows()
    code = [
        Instruction("sass.imad.wide.u32.plain", (begin, lane, four, file.parameter(0, 2))),
        Instruction("sass.imad.wide.u32.plain", (end, lane, four, file.parameter(8, 2))),
    ]
    words: list[Any] = []
    for number, values in (registers or {}).items():
        code.append(Instruction("load", (begin, rows.register(number)), immediate=128 * len(words)))
        words.append(np.asarray(values, np.uint32))
    for number, truths in (predicates or {}).items():
        code.append(Instruction("load", (begin, bit), immediate=128 * len(words)))
        code.append(
            Instruction(
                "sass.isetp.ne.s32", (rows.predicates + number, rows.predicate_result(255), bit, zero, true, true)
            )
        )
        words.append(np.asarray(list(truths), np.uint32))
    code += [lower_line(line, kernel) for line in kernel.lines[: len(list(lines))]]
    for k, number in enumerate(results):
        code.append(Instruction("store", (end, rows.register(number)), immediate=128 * k))
    for k, number in enumerate(result_predicates, len(results)):
        code.append(Instruction("sass.sel", (bit, file.constant(1), zero, rows.predicates + number)))
        code.append(Instruction("store", (end, bit), immediate=128 * k))
    code.append(Instruction(None, flow=Flow.EXIT))
    memory = Memory()
    memory.put("in", np.stack(words) if words else np.zeros(1, np.uint32))
    memory.put("out", np.zeros((len(results) + len(result_predicates), LANES), np.uint32), writable=True)
    program = Program("k", code, file, ((0, 8), (8, 8)), 16, constant_bank=kernel.bank(),
                      bank_parameters=kernel.bank_parameters)  # fmt: skip
    parameters = b"".join((memory.address(name) or 0).to_bytes(8, "little") for name in ("in", "out"))
    simulate(program, (1, 1, 1), (LANES, 1, 1), parameters, memory, options=Options(instruction_limit=100_000))
    out = memory.array("out")
    return After(
        dict(zip(results, out, strict=False)),
        {p: [bool(v) for v in out[len(results) + k]] for k, p in enumerate(result_predicates)},
    )


def operands(count: int, seed: int, edges: Iterable[int] = EDGES) -> list[Any]:
    """`count` rows: edges in half of the lanes, anything in the others, in every order."""
    random = np.random.default_rng(seed)
    known = np.array(list(edges), np.uint64)
    rows = []
    for _ in range(count):
        anything = random.integers(0, 1 << 32, LANES, np.uint64)
        rows.append(np.where(random.random(LANES) < 0.5, random.choice(known, LANES), anything).astype(np.uint32))
    return rows
