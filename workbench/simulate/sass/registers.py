"""Where SASS's registers, predicates, constants and special registers lie in a warp's file."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.simulate.program import ABSENT, LANES, File, Special
from workbench.simulate.sass.cubin import KernelFacts
from workbench.simulate.sass.operands import ZERO
from workbench.simulate.sass.refusal import Refusal

LOCAL_WINDOW, SHARED_WINDOW = 0x7D_0000_0000, 0x7E_0000_0000
"""Where generic addresses find local and shared memory; as in machine/machine.h."""

PREDICATES, BARRIERS = 7, 16
SIZES_OF_BLOCK = (Special.THREADS_X, Special.THREADS_Y, Special.THREADS_Z)
SIZES_OF_GRID = (Special.BLOCKS_X, Special.BLOCKS_Y, Special.BLOCKS_Z)


@dataclass(frozen=True)
class Front:
    """Where in constant bank 0, before the parameters, the driver leaves what a launch is: byte offsets of words."""

    block: int
    grid: int
    stack: int
    """The first thread's stack pointer: as many bytes as its local memory has, as it grows downwards."""
    local_window: int
    """Two words: where generic addresses find local memory."""
    shared_window: int | None
    """The same of shared memory; None: a special register tells."""
    descriptors: tuple[int, ...]
    """Pairs of words that describe global memory to its accesses; they change nothing here."""

    def words(self, local_bytes: int) -> dict[int, int]:
        """Offset → value, of the words that are the same for every launch."""
        found = {self.stack: local_bytes}
        windows = ((self.local_window, LOCAL_WINDOW), (self.shared_window, SHARED_WINDOW))
        for at, value in windows:
            if at is not None:
                found |= {at: value & 0xFFFFFFFF, at + 4: value >> 32}
        for at in self.descriptors:
            found |= {at: 0, at + 4: 0}
        return found

    def specials(self) -> dict[int, Special]:
        """Offset → size of block or grid."""
        found = {self.block + 4 * k: what for k, what in enumerate(SIZES_OF_BLOCK)}
        return found | {self.grid + 4 * k: what for k, what in enumerate(SIZES_OF_GRID)}


FRONTS = {
    80: Front(
        block=0x0, grid=0xC, stack=0x28, local_window=0x20, shared_window=0x18, descriptors=(0x118, 0x208),
    ),
    100: Front(
        block=0x360, grid=0x370, stack=0x37C, local_window=0x2F8, shared_window=None, descriptors=(0x358,),
    ),
}  # fmt: skip
"""First architecture → how it is from there on, as ptxas compiles blockDim, gridDim and local variables."""


def front_of(generation: int) -> Front:
    """`generation`: 90 of sm_90."""
    return FRONTS[max(first for first in FRONTS if first <= max(generation, min(FRONTS)))]


class Registers:
    def __init__(self, facts: KernelFacts, registers: int, uniforms: int) -> None:
        """Rows for so many registers, and for so many uniform ones."""
        self.facts = facts
        self.file = File()
        self._count = registers
        self._registers = self.file.rows(registers)
        self._uniform_count = uniforms
        self._uniforms = self.file.rows(uniforms) if uniforms else ABSENT
        predicates = self.file.rows()
        self.predicates, self.uniform_predicates = predicates, predicates + 8
        self._thrown_predicate = predicates + 16
        self._barriers = ABSENT
        self._thrown = ABSENT
        front = front_of(facts.generation)
        self._driver, self._sizes = front.words(facts.local_bytes), front.specials()

    def names(self) -> dict[int, str]:
        """Row, or word of a predicate, → the register's name."""
        found = {self._registers + LANES * k: f"R{k}" for k in range(self._count)}
        if self._uniforms != ABSENT:
            found |= {self._uniforms + LANES * k: f"UR{k}" for k in range(self._uniform_count)}
        for letters, first in (("P", self.predicates), ("UP", self.uniform_predicates)):
            found |= {first + k: f"{letters}{k}" for k in range(PREDICATES)}
        return found

    def register(self, number: int, rows: int = 1) -> int:
        """A source: `rows` neighbouring rows from a register on; zeros for RZ."""
        if number == ZERO:
            return self.file.constant(0, rows)
        if number + rows > self._count:
            raise Refusal(f"register R{number}, of {self._count}")
        return self._registers + LANES * number

    def uniform(self, number: int, rows: int = 1) -> int:
        if number == ZERO:
            return self.file.constant(0, rows)
        if number + rows > self._uniform_count:
            raise Refusal(f"register UR{number}, of {self._uniform_count}")
        return self._uniforms + LANES * number

    def thrown(self, rows: int = 1) -> int:
        """Rows for a result that nobody wants."""
        if self._thrown == ABSENT:
            self._thrown = self.file.rows(4)
        return self._thrown

    def result(self, number: int, rows: int = 1, uniform: bool = False) -> int:
        if number == ZERO:
            return self.thrown(rows)
        return self.uniform(number, rows) if uniform else self.register(number, rows)

    def predicate_source(self, number: int, uniform: bool = False) -> int:
        if number == ZERO:
            return self.file.predicate_constant(True)
        return (self.uniform_predicates if uniform else self.predicates) + self._predicate(number)

    def predicate_result(self, number: int, uniform: bool = False) -> int:
        if number == ZERO:
            return self._thrown_predicate
        return (self.uniform_predicates if uniform else self.predicates) + self._predicate(number)

    @staticmethod
    def _predicate(number: int) -> int:
        if number >= PREDICATES:
            raise Refusal(f"predicate P{number}, of {PREDICATES}")
        return number

    def barrier(self, number: int) -> int:
        if self._barriers == ABSENT:
            self._barriers = self.file.rows(BARRIERS)
        if number >= BARRIERS:
            raise Refusal(f"convergence barrier B{number}, of {BARRIERS}")
        return self._barriers + LANES * number

    def constant_word(self, bank: int, offset: int) -> int:
        """The row of one word of constant memory."""
        if bank == 0:
            at = offset - self.facts.parameter_base
            if 0 <= at < self.facts.parameter_bytes:
                return self.file.parameter(at)
            if offset in self._sizes:
                return self.file.special(self._sizes[offset])
            if offset in self._driver:
                return self.file.constant(self._driver[offset])
            raise Refusal(f"c[0x0][{offset:#x}], a word of the driver that is not known")
        return self.file.constant(int.from_bytes(self._bank(bank, offset, 4), "little"))

    def constant_pair(self, bank: int, offset: int) -> int:
        """Two neighbouring rows with a value of 64 bits of constant memory."""
        if bank == 0:
            at = offset - self.facts.parameter_base
            if 0 <= at < self.facts.parameter_bytes:
                return self.file.parameter(at, 2)
            if offset in self._driver and offset + 4 in self._driver:
                return self.file.constant(self._driver[offset] | self._driver[offset + 4] << 32, 2)
            raise Refusal(f"c[0x0][{offset:#x}], a pair of the driver's words that is not known")
        return self.file.constant(int.from_bytes(self._bank(bank, offset, 8), "little"), 2)

    def _bank(self, bank: int, offset: int, size: int) -> bytes:
        content = self.facts.constants.get(bank, b"")
        if offset < 0 or offset + size > len(content):
            raise Refusal(f"c[{bank:#x}][{offset:#x}], behind the {len(content)} bytes of that bank")
        return content[offset : offset + size]
