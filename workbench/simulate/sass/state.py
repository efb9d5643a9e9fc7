"""A kernel while its lines are lowered."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from workbench.simulate.program import ABSENT
from workbench.simulate.sass.cubin import KernelFacts
from workbench.simulate.sass.operands import Operand
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.registers import Registers
from workbench.simulate.sass.text import Line


@dataclass
class Kernel:
    facts: KernelFacts
    registers: Registers
    lines: tuple[Line, ...]
    index_of: dict[int, int]
    """Address → index of the instruction there."""
    labels: dict[str, int]
    _banks: dict[int, int] = field(default_factory=dict)
    """Constant bank → where it lies among those that loads with a register address read."""
    _bank: bytearray = field(default_factory=bytearray)
    bank_parameters: int = ABSENT

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line.source_file for line in self.lines))

    @cached_property
    def file_numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.files)}

    @cached_property
    def polls_mbarriers(self) -> bool:
        """Before sm_90, waits for an mbarrier are ordinary loads in a loop."""
        arrives = any(line.base == "ARRIVES" or "ARRIVE" in line.modifiers for line in self.lines)
        return arrives and not any(line.base == "SYNCS" for line in self.lines)

    def target(self, label: Operand) -> int:
        """The index of the instruction behind a label."""
        address = self.labels.get(label.text)
        if address is None or address not in self.index_of:
            raise Refusal(f"label {label.text} is not in this kernel")
        return self.index_of[address]

    def bank_place(self, bank: int) -> int:
        """Where a constant bank begins among those that loads with a register address read."""
        if bank not in self._banks:
            content = bytes(self.facts.parameter_bytes) if bank == 0 else self.facts.constants.get(bank)
            if content is None:
                raise Refusal(f"constant bank {bank} is not in the cubin")
            self._banks[bank] = len(self._bank)
            if bank == 0:
                self.bank_parameters = len(self._bank)
            self._bank += content + bytes(-len(content) % 16)
        return self._banks[bank]

    def bank(self) -> bytes:
        return bytes(self._bank)
