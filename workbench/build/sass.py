"""What the compiler made of a kernel: its machine instructions (SASS), by class, and its loops.

Read from `nvdisasm -c`. The classes are named after what an optimiser asks: how wide are the loads, how many special
functions, are there tensor instructions, does anything spill.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from workbench.problem import Problem

_SECTION = re.compile(r"^\s*\.section\s+([^,\s]+)")
_LABEL = re.compile(r"^(\.L_\w+):")
_INSTRUCTION = re.compile(
    r"^\s*/\*([0-9a-f]{4,})\*/\s+\{?\s*(@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*(?:\.[\w.&]+)?)\s*(.*?)\s*;"
)
_TARGET = re.compile(r"`\((\.L_\w+)\)")

INSTRUCTION_BYTES = 16
"""Of every architecture since Volta."""

CLASSES = {
    "global_load": ("LDG", "LD"),
    "global_store": ("STG", "ST"),
    "async_copy": ("LDGSTS", "UBLKCP", "UBLKRED", "UTMALDG", "UTMASTG", "UTMAREDG", "UTMACMDFLUSH"),
    "async_wait": ("LDGDEPBAR", "DEPBAR"),
    "shared_load": ("LDS", "LDSM"),
    "shared_store": ("STS", "STSM"),
    "local_load": ("LDL",),
    "local_store": ("STL",),
    "constant_load": ("LDC", "ULDC", "LDCU"),
    "ffma": ("FFMA", "FFMA2"),
    "fadd_fmul": ("FADD", "FMUL", "FADD2", "FMUL2"),
    "half_math": ("HFMA2", "HADD2", "HMUL2", "HMNMX2"),
    "mufu": ("MUFU",),
    "hmma": ("HMMA",),
    "hgmma": ("HGMMA",),
    "other_mma": ("IMMA", "DMMA", "BMMA", "QMMA", "OMMA", "QGMMA", "IGMMA", "UTCHMMA", "UTCQMMA", "UTCIMMA", "UTCOMMA"),
    "barrier": ("BAR", "SYNCS", "UCGABAR_ARV", "UCGABAR_WAIT"),
    "warp_sync": ("WARPSYNC", "NANOSLEEP", "YIELD"),
    "shuffle": ("SHFL",),
    "vote": ("VOTE", "VOTEU", "MATCH", "REDUX", "CREDUX"),
    "atomic": ("ATOM", "ATOMG", "ATOMS", "RED", "REDG", "REDAS", "ATOMAS", "UATOMG"),
    "fence": ("MEMBAR", "FENCE", "ERRBAR", "CCTL"),
    "branch": ("BRA", "BRX", "BRXU", "JMP", "JMX", "CALL", "RET", "EXIT", "BSSY", "BSYNC", "BREAK", "KILL"),
    "integer": (
        *("IMAD", "IADD3", "IADD", "VIADD", "IADD64", "LEA", "SHF", "SHL", "SHR", "LOP3", "LOP", "PRMT", "ISETP"),
        *("IMNMX", "VIMNMX", "VIMNMX3", "IABS", "SGXT", "BMSK", "POPC", "FLO", "BREV", "IDP"),
        *("UIMAD", "UIADD3", "UIADD", "UVIADD", "UIADD64", "ULEA", "USHF", "ULOP3", "UPRMT", "UISETP", "UVIMNMX"),
    ),
    "conversion": ("F2F", "F2FP", "F2I", "F2IP", "I2F", "I2FP", "I2I", "FRND"),
}
"""Class → opcodes. Loads and stores of global memory are split by width (`global_load_128`: bits a thread); integer
arithmetic is mostly addresses; whatever is in no class (moves, predicates, special registers) is `other`."""

_CLASS_OF = {opcode: name for name, opcodes in CLASSES.items() for opcode in opcodes}
_WIDTHS = {"U8": 8, "S8": 8, "U16": 16, "S16": 16, "64": 64, "128": 128, "256": 256}


@dataclass(frozen=True)
class Instruction:
    """One machine instruction: where it stands, its opcode with modifiers, its operands."""

    address: int
    opcode: str
    operands: str
    predicate: str
    target: int | None
    """The address that a branch goes to."""

    @property
    def base(self) -> str:
        return self.opcode.partition(".")[0]

    @property
    def kind(self) -> str:
        """Its class, with the width of a global load or store."""
        name = _CLASS_OF.get(self.base, "other")
        if name not in ("global_load", "global_store"):
            return name
        width = next((_WIDTHS[part] for part in self.opcode.split(".")[1:] if part in _WIDTHS), 32)
        return f"{name}_{width}"

    def __str__(self) -> str:
        return " ".join(filter(None, (f"/*{self.address:04x}*/", self.predicate, self.opcode, self.operands)))


@dataclass(frozen=True)
class Loop:
    """The instructions from a backward branch's target up to the branch itself."""

    body: tuple[Instruction, ...]

    @property
    def first(self) -> int:
        return self.body[0].address

    @property
    def last(self) -> int:
        return self.body[-1].address

    def mix(self) -> dict[str, int]:
        return instruction_mix(self.body)


@dataclass(frozen=True)
class Listing:
    """One kernel's machine code, without the padding behind it."""

    kernel: str
    instructions: tuple[Instruction, ...]
    code_bytes: int
    """Padding included: what the instruction cache sees."""
    text: str
    """As nvdisasm prints it."""

    def mix(self) -> dict[str, int]:
        return instruction_mix(self.instructions)

    def loops(self) -> list[Loop]:
        """Every loop, one a backward branch, outer before inner where they nest."""
        found = []
        for at, instruction in enumerate(self.instructions):
            if instruction.target is not None and instruction.target <= instruction.address:
                body = tuple(i for i in self.instructions[: at + 1] if i.address >= instruction.target)
                found.append(Loop(body))
        return sorted(found, key=lambda loop: (loop.first, -loop.last))

    def innermost_loops(self) -> list[Loop]:
        """Loops that hold no other loop, the one of most instructions first."""
        loops = self.loops()
        inner = [
            loop
            for loop in loops
            if not any(o is not loop and loop.first <= o.first and o.last <= loop.last for o in loops)
        ]
        return sorted(inner, key=lambda loop: len(loop.body), reverse=True)

    def inner_loop(self) -> Loop | None:
        """The innermost loop of most instructions: of a loop that the compiler unrolled, the unrolled part and not the
        remainder. None for straight code. Code that the compiler moved out of the loop's line is not in it."""
        loops = self.innermost_loops()
        return loops[0] if loops else None


def instruction_mix(instructions: tuple[Instruction, ...]) -> dict[str, int]:
    """Class → static count, largest first, and their `total`. Classes that do not occur are absent."""
    counts = Counter(instruction.kind for instruction in instructions)
    return {**dict(counts.most_common()), "total": len(instructions)}


def parse_listing(text: str) -> dict[str, Listing]:
    """The output of `nvdisasm -c` → each kernel's listing by name. Raises Problem when it holds none."""
    listings: dict[str, Listing] = {}
    name = ""
    lines: list[str] = []
    for line in [*text.splitlines(), ".section .end"]:
        section = _SECTION.match(line)
        if section or line.startswith("//-----"):
            if name:
                listings[name] = _listing(name, lines)
            name = section[1].removeprefix(".text.") if section and section[1].startswith(".text.") else ""
            lines = []
        if name:
            lines.append(line)
    if not listings or not all(listing.instructions for listing in listings.values()):
        raise Problem("nvdisasm's output holds no instructions; its form may have changed: report its version")
    return listings


def _listing(name: str, lines: list[str]) -> Listing:
    labels: dict[str, int] = {}
    pending: list[str] = []
    raw: list[tuple[int, str, str, str]] = []
    for line in lines:
        label = _LABEL.match(line)
        if label:
            pending.append(label[1])
            continue
        match = _INSTRUCTION.match(line)
        if match:
            address = int(match[1], 16)
            labels.update(dict.fromkeys(pending, address))
            pending = []
            raw.append((address, match[3], match[4], (match[2] or "").strip()))
    instructions = [
        Instruction(address, opcode, operands, predicate, _target(opcode, operands, labels))
        for address, opcode, operands, predicate in raw
    ]
    code_bytes = instructions[-1].address + INSTRUCTION_BYTES if instructions else 0
    # Behind the last instruction stands a branch to itself and NOPs up to the alignment.
    while instructions and instructions[-1].base == "NOP":
        instructions.pop()
    if instructions and instructions[-1].target == instructions[-1].address:
        instructions.pop()
    return Listing(name, tuple(instructions), code_bytes, "\n".join(lines).rstrip() + "\n")


def _target(opcode: str, operands: str, labels: dict[str, int]) -> int | None:
    if opcode.partition(".")[0] not in ("BRA", "JMP"):
        return None
    match = _TARGET.search(operands)
    return labels.get(match[1]) if match else None
