"""A kernel as the machine runs it, written in Python and encoded for it: what a front end makes.

The names and numbers of the enumerations are those of machine/program.h.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

LANES = 32
OPERANDS = 20
ABSENT = -1


class Flow(IntEnum):
    """How an instruction moves the program counter."""

    NEXT = 0
    BRANCH = 1
    BRANCH_TO_ROW = 2
    EXIT = 3
    WARP_SYNC = 4
    CONVERGE = 5
    BLOCK_BARRIER = 6
    PAUSE = 7


class Only(IntEnum):
    """What else a branch asks, of predicate or row o[0]: its `variant`."""

    ALWAYS = 0
    WHERE_SET = 1
    WHERE_UNSET = 2
    DIVERGED = 3
    CONVERGED = 4
    ANY = 5
    """Nothing more, but all lanes go where the guard holds for one of them."""


class Reduction(IntEnum):
    """What a block barrier makes of predicate o[2]: its `variant`."""

    NONE = 0
    COUNT = 1
    ALL = 2
    ANY = 3


class Space(IntEnum):
    GLOBAL = 0
    SHARED = 1
    LOCAL = 2
    GENERIC = 3
    CONSTANT = 4


class Order(IntEnum):
    WEAK = 0
    RELAXED = 1
    ACQUIRE = 2
    RELEASE = 3
    ACQUIRE_RELEASE = 4
    VOLATILE = 5


class Scope(IntEnum):
    """Who sees a memory access, an atomic operation or a fence in its order."""

    THREAD = 0
    BLOCK = 1
    CLUSTER = 2
    DEVICE = 3
    SYSTEM = 4


class Special(IntEnum):
    """What a special register's row is filled with."""

    THREAD_X = 0
    THREAD_Y = 1
    THREAD_Z = 2
    THREADS_X = 3
    THREADS_Y = 4
    THREADS_Z = 5
    BLOCK_X = 6
    BLOCK_Y = 7
    BLOCK_Z = 8
    BLOCKS_X = 9
    BLOCKS_Y = 10
    BLOCKS_Z = 11
    LANE = 12
    WARP = 13
    WARPS = 14
    CLOCK = 15
    LANES_BELOW = 16
    LANES_UP_TO = 17
    LANES_ABOVE = 18
    LANES_FROM = 19
    LANE_BIT = 20
    MULTIPROCESSOR = 21
    SHARED_BYTES = 22
    GRID_ID = 23


@dataclass
class Instruction:
    """One instruction, decoded. Operands are offsets into the warp's file (see File), ABSENT where there is none."""

    form: str | None
    operands: tuple[int, ...] = ()
    text: str = ""
    """As its producer wrote it."""
    flow: Flow = Flow.NEXT
    guard: int = ABSENT
    guard_negated: bool = False
    target: int = ABSENT
    leader: bool = False
    uniform: bool = False
    immediate: int = 0
    keep: tuple[int, ...] = ()
    flip: tuple[int, ...] = ()
    space: Space = Space.GLOBAL
    order: Order = Order.WEAK
    scope: Scope = Scope.THREAD
    bytes: int = 4
    elements: int = 1
    address_rows: int = 2
    sign_extend: bool = False
    variant: int = 0
    scale: int = 0
    """The address row is shifted left by so many bits."""
    base: int = ABSENT
    """A row (two where addresses have 64 bits) that every lane adds to its address."""
    reads: int = 0
    """Bits of the operands that are registers and read; 0 where the front end does not say. So with `writes`."""
    writes: int = 0
    wide: int = 0
    """Bits of the registers that take two rows."""
    line: int = 0
    file: int = 0
    """Which of the program's files the line is of."""
    address: int = 0


class File:
    """Lays out a warp's file: rows of 32 words, pairs of rows for 64 bits, and single words for predicates.

    Constants, parameters and special registers are rows too, each kept once.
    """

    def __init__(self) -> None:
        self.words = 0
        self.constants: dict[tuple[int, int], int] = {}
        """(value, rows) → offset."""
        self.specials: dict[Special, int] = {}
        self._parameters: dict[tuple[int, int, bool], int] = {}
        self._predicates: list[int] = []
        self._predicate_constants: dict[bool, int] = {}

    def rows(self, count: int = 1) -> int:
        """`count` neighbouring rows."""
        offset = self.words
        self.words += LANES * count
        return offset

    def predicate(self) -> int:
        """A word for 32 predicate bits."""
        if not self._predicates:
            first = self.rows()
            self._predicates = list(range(first, first + LANES))
        return self._predicates.pop(0)

    def constant(self, value: int, rows: int = 1) -> int:
        """A row (two for 64 bits) that holds the value in every lane."""
        value &= (1 << 32 * rows) - 1
        if (value, rows) not in self.constants:
            self.constants[value, rows] = self.rows(rows)
        return self.constants[value, rows]

    def predicate_constant(self, value: bool) -> int:
        """A predicate that holds for every lane, or for none."""
        if value not in self._predicate_constants:
            self._predicate_constants[value] = self.predicate()
        return self._predicate_constants[value]

    def parameter(self, offset: int, rows: int = 1, size: int = 0, signed: bool = False) -> int:
        """Neighbouring rows with the parameter bytes from `offset` on, filled at launch: as many as the rows hold, or
        `size` of them, extended with zeros or with their sign."""
        key = (offset, size or 4 * rows, signed)
        if key not in self._parameters:
            self._parameters[key] = self.rows(rows)
        return self._parameters[key]

    def special(self, what: Special) -> int:
        if what not in self.specials:
            self.specials[what] = self.rows()
        return self.specials[what]

    def filled(self, parameters: bytes) -> NDConstants:
        """Every constant row, parameters and predicates, as the machine takes them."""
        found: list[tuple[int, int, int]] = []
        for (value, rows), offset in self.constants.items():
            found += [(offset + LANES * k, value >> 32 * k & 0xFFFFFFFF, 0) for k in range(rows)]
        for (at, size, signed), offset in self._parameters.items():
            value = int.from_bytes(parameters[at : at + size], "little", signed=signed)
            found += [(offset + LANES * k, value >> 32 * k & 0xFFFFFFFF, 0) for k in range(-(-size // 4))]
        found += [(offset, 0xFFFFFFFF if value else 0, 1) for value, offset in self._predicate_constants.items()]
        return np.array(found, dtype=CONSTANT)


@dataclass
class Program:
    """A kernel ready to run, and what its launch needs to know."""

    name: str
    instructions: list[Instruction]
    file: File
    parameters: tuple[tuple[int, int], ...] = ()
    """Byte offset and size of each kernel parameter, in order."""
    parameter_bytes: int = 0
    static_shared: int = 0
    local_bytes: int = 0
    reserved_shared: int = 0
    """Bytes at the front of static_shared that belong to the system."""
    merge_at_equal_pc: bool = False
    lowest_pc_first: bool = False
    constant_bank: bytes = b""
    """What loads with a register address read (SASS)."""
    bank_parameters: int = ABSENT
    """Where in it the parameters are put at a launch."""
    globals: tuple[tuple[int, str, bytes], ...] = ()
    """The module's own variables: address, name, content before the launch."""
    files: dict[int, str] = field(default_factory=dict)
    """Source files by number, where lines name them."""
    variables: tuple[str, ...] = ()
    """Variables of the module whose addresses stand behind the parameters, eight bytes each, from the next multiple of
    eight on."""
    notes: tuple[str, ...] = ()
    """What the simulation leaves out, in words."""
    parameter_kinds: tuple[str, ...] = ()
    """What each parameter is, where that is known: `u32`, `f64`, `b8`… (a pointer is `u64`)."""
    names: dict[int, str] = field(default_factory=dict)
    """Row, or word of a predicate, → the register that it is, where a register keeps its row."""
    generation: int = 0
    """90 of sm_90: what it was compiled for; 0 where that is not said."""
    _encoded: tuple[Any, list[bytes]] | None = field(default=None, repr=False, compare=False)

    def bank_at(self, parameters: bytes) -> bytes:
        """The constant bank of a launch."""
        if self.bank_parameters == ABSENT:
            return self.constant_bank
        bank, at = self.constant_bank, self.bank_parameters
        return bank[:at] + parameters + bank[at + len(parameters) :]

    def encoded(self) -> tuple[Any, list[bytes]]:
        """The instructions as the machine takes them, and the names of their forms: worked out once."""
        if self._encoded is None:
            self._encoded = self._encode()
        return self._encoded

    def _encode(self) -> tuple[Any, list[bytes]]:
        names: dict[str, int] = {}
        own = self.instructions
        code = np.zeros(len(own), dtype=INSTRUCTION)
        code["form"] = [ABSENT if i.form is None else names.setdefault(i.form, len(names)) for i in own]
        for name, empty in (("operands", ABSENT), ("keep", 0xFFFFFFFF), ("flip", 0)):
            width = INSTRUCTION[name].shape[0]
            code[name] = [(*(given := getattr(i, name)), *[empty] * (width - len(given))) for i in own]
        for name in _PLAIN:  # a column at a time: a row at a time takes three times as long
            code[name] = [getattr(i, name) for i in own]
        return code, [name.encode() for name in names]


NDConstants = Any
"""A numpy array of dtype CONSTANT."""

CONSTANT = np.dtype([("offset", "i4"), ("value", "u4"), ("predicate", "u1")], align=True)
SPECIAL = np.dtype([("offset", "i4"), ("what", "u4")], align=True)
INSTRUCTION = np.dtype(
    [
        ("immediate", "i8"),
        ("form", "i4"), ("guard", "i4"), ("target", "i4"), ("line", "i4"),
        ("operands", "i4", OPERANDS),
        ("keep", "u4", 4), ("flip", "u4", 4),
        ("address", "u4"),
        ("flow", "u1"), ("guard_negated", "u1"), ("leader", "u1"), ("uniform", "u1"),
        ("space", "u1"), ("order", "u1"), ("bytes", "u1"), ("elements", "u1"),
        ("address_rows", "u1"), ("sign_extend", "u1"), ("variant", "u1"), ("scale", "u1"),
        ("scope", "u1"),
        ("base", "i4"),
        ("reads", "u4"), ("writes", "u4"), ("wide", "u4"),
    ],
    align=True,
)  # fmt: skip
_PLAIN = (
    "immediate", "guard", "target", "line", "address", "flow", "guard_negated", "leader", "uniform", "space", "order",
    "bytes", "elements", "address_rows", "sign_extend", "variant", "scale", "scope", "base", "reads", "writes",
    "wide",
)  # fmt: skip
