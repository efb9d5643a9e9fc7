"""One operand of a SASS instruction, as nvdisasm writes it. What the grammar does not hold is refused."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    REGISTER = "register"
    UNIFORM = "uniform register"
    PREDICATE = "predicate"
    UNIFORM_PREDICATE = "uniform predicate"
    PREDICATES = "all predicates"
    BARRIER = "convergence barrier"
    SCOREBOARD = "scoreboard"
    SPECIAL = "special register"
    CONSTANT = "constant"
    INTEGER = "integer"
    FLOAT = "float"
    MEMORY = "memory"
    LABEL = "label"


ZERO = 255
"""The number of RZ, URZ, PT and UPT."""


@dataclass(frozen=True)
class Address:
    """`[R4.X8+UR2+0x10]`: a register, perhaps scaled, a uniform register, an offset."""

    register: int = ZERO
    rows: int = 1
    """2: the register is a pair (.64)."""
    scale: int = 0
    """The register is shifted by so many bits (.X4 is 2)."""
    uniform: int = ZERO
    offset: int = 0


@dataclass(frozen=True)
class Operand:
    kind: Kind
    number: int = 0
    """Of a register, predicate or barrier; an integer's value; a constant's bank."""
    text: str = ""
    """A special register's or a label's name; a float as it is written."""
    negated: bool = False
    """`-` before a number, `!` before a predicate."""
    inverted: bool = False
    absolute: bool = False
    suffixes: tuple[str, ...] = ()
    """.H0_H0, .B1, .64…"""
    address: Address | None = None
    """Of memory, and of a constant (whose offset and register it holds)."""


class UnknownOperand(Exception):
    """The grammar does not hold this text."""


_HEX = r"-?0x[0-9a-f]+"
_SUFFIX = r"(?:\.(?:reuse|64|H0_H0|H1_H1|H0_NH1|H0|H1|B[0-3]|F32x2|HI_LO|F32|U16|U8|S16|S8|ROW|COL))*"
_REGISTER = re.compile(rf"([-~]?)(\|?)(U?R(?:\d+|Z))((?:\.reuse)?)(\|?)({_SUFFIX})$")
_CONSTANT = re.compile(rf"([-~]?)(\|?)c\[(0x[0-9a-f]+)\]\[([^\]]+)\](\|?)({_SUFFIX})$")
_PREDICATE = re.compile(r"(!?)(U?)P(\d|T)$")
_FLOAT = re.compile(r"([-+]?(?:INF|QNAN|SNAN)|-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)$")
_LABEL = re.compile(r"`\((.+)\)$")
_MEMORY = re.compile(r"(?:desc\[UR\d+\])?\[(.*)\]((?:\.64)?)$")
_TERM = re.compile(r"(?:(U?R(?:\d+|Z))((?:\.(?:64|U32|X4|X8|X16))*)|(-?0x[0-9a-f]+))$")
_SCALES = {"X4": 2, "X8": 3, "X16": 4}


def parse_operand(text: str) -> Operand:
    """Raises UnknownOperand."""
    text = text.strip()
    if match := _PREDICATE.match(text):
        kind = Kind.UNIFORM_PREDICATE if match[2] else Kind.PREDICATE
        return Operand(kind, ZERO if match[3] == "T" else int(match[3]), negated=bool(match[1]))
    if match := _REGISTER.match(text):
        if bool(match[2]) != bool(match[5]):
            raise UnknownOperand(text)
        kind, number = _register(match[3])
        return Operand(kind, number, "", match[1] == "-", match[1] == "~", bool(match[2]), _suffixes(match[6]))
    if re.fullmatch(_HEX, text):
        return Operand(Kind.INTEGER, int(text, 16))
    if match := _CONSTANT.match(text):
        if bool(match[2]) != bool(match[5]):
            raise UnknownOperand(text)
        signs = (match[1] == "-", match[1] == "~", bool(match[2]))
        return Operand(Kind.CONSTANT, int(match[3], 16), "", *signs, _suffixes(match[6]), _address(match[4]))
    if match := _MEMORY.match(text):
        return Operand(Kind.MEMORY, address=_address(match[1]))
    if match := _LABEL.match(text):
        return Operand(Kind.LABEL, text=match[1])
    if text.startswith("SR_") or text == "SRZ":
        return Operand(Kind.SPECIAL, text=text)
    if match := re.fullmatch(r"(B|SB)(\d+)", text):
        return Operand(Kind.BARRIER if match[1] == "B" else Kind.SCOREBOARD, int(match[2]))
    if text in ("PR", "UPR"):
        return Operand(Kind.PREDICATES)
    if _FLOAT.match(text):
        return Operand(Kind.FLOAT, text=text)
    raise UnknownOperand(text)


def _register(name: str) -> tuple[Kind, int]:
    kind = Kind.UNIFORM if name.startswith("U") else Kind.REGISTER
    digits = name.lstrip("UR")
    return kind, ZERO if digits == "Z" else int(digits)


def _suffixes(text: str) -> tuple[str, ...]:
    return tuple(suffix for suffix in text.split(".") if suffix not in ("", "reuse"))


def _address(text: str) -> Address:
    register, rows, scale, uniform, offset = ZERO, 1, 0, ZERO, 0
    seen: set[str] = set()
    for term in text.split("+"):
        match = _TERM.match(term)
        what = "offset" if match and match[3] else "uniform" if match and match[1].startswith("U") else "register"
        if match is None or what in seen:
            raise UnknownOperand(f"[{text}]")
        seen.add(what)
        if what == "offset":
            offset = int(term, 16)
            continue
        _, number = _register(match[1])
        suffixes = [suffix for suffix in match[2].split(".") if suffix]
        if what == "uniform":
            uniform = number
            if suffixes:
                raise UnknownOperand(f"[{text}]")
            continue
        register = number
        rows = 2 if "64" in suffixes else 1
        scale = next((_SCALES[suffix] for suffix in suffixes if suffix in _SCALES), 0)
    return Address(register, rows, scale, uniform, offset)


def float_bits(text: str) -> int:
    """The 32 bits of a float as nvdisasm writes it."""
    special = {"INF": 0x7F800000, "QNAN": 0x7FFFFFFF, "SNAN": 0x7FBFFFFF}
    if (name := text.lstrip("+-")) in special:
        return special[name] | (0x80000000 if text.startswith("-") else 0)
    return int(struct.unpack("<I", struct.pack("<f", float(text)))[0])


def double_bits(text: str) -> int:
    """The 64 bits of a double as nvdisasm writes it."""
    special = {"INF": 0x7FF0000000000000, "QNAN": 0x7FFFFFFF00000000, "SNAN": 0x7FF7FFFF00000000}
    if (name := text.lstrip("+-")) in special:
        return special[name] | (1 << 63 if text.startswith("-") else 0)
    return int(struct.unpack("<Q", struct.pack("<d", float(text)))[0])
