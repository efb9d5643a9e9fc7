"""The classes of a GPU's machine instructions (SASS): what an optimiser counts.

Named after what one asks: how wide are the loads, how many special functions, are there tensor instructions, does
anything spill.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

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
_CONSTANT = re.compile(r"^\w+, -RZ, RZ, ")
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
        if self.opcode.startswith("IMAD.MOV") or (self.base == "HFMA2" and _CONSTANT.search(self.operands)):
            return "other"  # a move, and a constant: the compiler writes them on whichever pipe is free
        name = _CLASS_OF.get(self.base, "other")
        if name not in ("global_load", "global_store"):
            return name
        width = next((_WIDTHS[part] for part in self.opcode.split(".")[1:] if part in _WIDTHS), 32)
        return f"{name}_{width}"

    def __str__(self) -> str:
        return " ".join(filter(None, (f"/*{self.address:04x}*/", self.predicate, self.opcode, self.operands)))


def instruction_mix(instructions: Sequence[Instruction]) -> dict[str, int]:
    """Class → static count, largest first, and their `total`. Classes that do not occur are absent."""
    counts = Counter(instruction.kind for instruction in instructions)
    return {**dict(counts.most_common()), "total": len(instructions)}
