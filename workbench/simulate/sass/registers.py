"""Where SASS's registers, predicates, constants and special registers lie in a warp's file."""

from __future__ import annotations

from workbench.simulate.program import ABSENT, LANES, File, Special
from workbench.simulate.sass.cubin import KernelFacts
from workbench.simulate.sass.operands import ZERO
from workbench.simulate.sass.refusal import Refusal

LOCAL_WINDOW, SHARED_WINDOW = 0x7D_0000_0000, 0x7E_0000_0000
"""Where generic addresses find local and shared memory; as in machine/machine.h."""

PREDICATES, BARRIERS, UNIFORMS = 7, 16, 64
LAUNCH_WORDS = (
    Special.THREADS_X, Special.THREADS_Y, Special.THREADS_Z, Special.BLOCKS_X, Special.BLOCKS_Y, Special.BLOCKS_Z,
)  # fmt: skip
"""What the driver writes at the front of constant bank 0, word by word."""


class Registers:
    def __init__(self, facts: KernelFacts, registers: int, uniform: bool) -> None:
        """Rows for so many registers; for uniform registers only where the kernel has any."""
        self.facts = facts
        self.file = File()
        self._count = registers
        self._registers = self.file.rows(registers)
        self._uniforms = self.file.rows(UNIFORMS) if uniform else ABSENT
        predicates = self.file.rows()
        self.predicates, self.uniform_predicates = predicates, predicates + 8
        self._thrown_predicate = predicates + 16
        self._barriers = ABSENT
        self._thrown = ABSENT
        local = facts.local_bytes
        # The driver's own words of bank 0, beside the sizes of the launch.
        self._driver = {
            0x18: SHARED_WINDOW & 0xFFFFFFFF, 0x1C: SHARED_WINDOW >> 32,
            0x20: LOCAL_WINDOW & 0xFFFFFFFF, 0x24: LOCAL_WINDOW >> 32,
            0x28: local, 0x118: 0, 0x11C: 0, 0x208: 0, 0x20C: 0,
        }  # fmt: skip

    def names(self) -> dict[int, str]:
        """Row, or word of a predicate, → the register's name."""
        found = {self._registers + LANES * k: f"R{k}" for k in range(self._count)}
        if self._uniforms != ABSENT:
            found |= {self._uniforms + LANES * k: f"UR{k}" for k in range(UNIFORMS)}
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
        if number + rows > UNIFORMS:
            raise Refusal(f"register UR{number}, of {UNIFORMS}")
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
            if 0 <= offset < 4 * len(LAUNCH_WORDS) and offset % 4 == 0:
                return self.file.special(LAUNCH_WORDS[offset // 4])
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
