"""What an instruction's sources are to the machine: rows with modifiers, by the kind that a form asks for."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.simulate.sass.operands import ZERO, Kind, Operand, double_bits, float_bits
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.state import Kernel
from workbench.simulate.sass.text import Line

ONES, SIGN = 0xFFFFFFFF, 0x80000000
SELECTORS = {(): 0, ("H0_H0",): 1, ("H1_H1",): 2, ("H0_NH1",): 3}


@dataclass
class Made:
    """The machine's instruction as it grows, operand by operand."""

    operands: list[int] = field(default_factory=list)
    keep: list[int] = field(default_factory=list)
    flip: list[int] = field(default_factory=list)
    variant: int = 0
    immediate: int = 0

    def source(self, row: int, keep: int = ONES, flip: int = 0, plus: bool = False) -> None:
        self.immediate |= int(plus) << len(self.operands)
        self.operands.append(row)
        self.keep.append(keep)
        self.flip.append(flip)

    @property
    def modified(self) -> bool:
        return any(keep != ONES for keep in self.keep) or any(self.flip)


def word(operand: Operand, kernel: Kernel) -> int:
    """The row of a 32-bit register or constant."""
    if operand.kind is Kind.REGISTER:
        return kernel.registers.register(operand.number)
    if operand.kind is Kind.UNIFORM:
        return kernel.registers.uniform(operand.number)
    assert operand.kind is Kind.CONSTANT and operand.address is not None
    if operand.address.register != ZERO or operand.address.uniform != ZERO:
        raise Refusal("operand: a constant with a register address")
    return kernel.registers.constant_word(operand.number, operand.address.offset)


def pair(operand: Operand, kernel: Kernel) -> int:
    """Two neighbouring rows of a 64-bit register or constant."""
    if operand.kind is Kind.REGISTER:
        return kernel.registers.register(operand.number, 2)
    if operand.kind is Kind.UNIFORM:
        return kernel.registers.uniform(operand.number, 2)
    assert operand.kind is Kind.CONSTANT and operand.address is not None
    if operand.address.register != ZERO or operand.address.uniform != ZERO:
        raise Refusal("operand: a constant with a register address")
    return kernel.registers.constant_pair(operand.number, operand.address.offset)


def integer_source(operand: Operand, kernel: Kernel, made: Made, may_change: bool) -> None:
    if operand.absolute or operand.suffixes or (not may_change and (operand.negated or operand.inverted)):
        raise Refusal("operand with a modifier that its form has not")
    if operand.kind is Kind.INTEGER:
        made.source(kernel.registers.file.constant(operand.number))
        return
    changed = operand.negated or operand.inverted
    made.source(word(operand, kernel), ONES, ONES if changed else 0, operand.negated)


def wide_source(operand: Operand, kernel: Kernel, made: Made, is_signed: bool) -> None:
    if operand.absolute or operand.suffixes not in ((), ("64",)):
        raise Refusal("operand with a modifier that its form has not")
    if operand.kind is Kind.INTEGER:
        value = operand.number if is_signed else operand.number & ONES
        made.source(kernel.registers.file.constant(value, 2))
        return
    changed = operand.negated or operand.inverted
    made.source(pair(operand, kernel), ONES, ONES if changed else 0, operand.negated)


def _float_constant(operand: Operand, line: Line) -> int:
    if operand.kind is Kind.INTEGER:
        return operand.number & ONES
    # A NaN's own bits stand in the encoding alone.
    return line.immediate if "NAN" in operand.text else float_bits(operand.text)


def float_source(operand: Operand, line: Line, kernel: Kernel, made: Made) -> None:
    if operand.inverted or operand.suffixes:
        raise Refusal("operand with a modifier that its form has not")
    if operand.kind in (Kind.FLOAT, Kind.INTEGER):
        made.source(kernel.registers.file.constant(_float_constant(operand, line)))
        return
    keep = ONES ^ SIGN if operand.absolute else ONES
    made.source(word(operand, kernel), keep, SIGN if operand.negated else 0)


def double_source(operand: Operand, kernel: Kernel, made: Made) -> None:
    if operand.inverted or operand.suffixes not in ((), ("64",)):
        raise Refusal("operand with a modifier that its form has not")
    if operand.kind in (Kind.FLOAT, Kind.INTEGER):
        bits = double_bits(operand.text) if operand.kind is Kind.FLOAT else (operand.number & ONES) << 32
        made.source(kernel.registers.file.constant(bits, 2))
        return
    keep = ONES ^ SIGN if operand.absolute else ONES
    made.source(pair(operand, kernel), keep, SIGN if operand.negated else 0)


def pair_of_floats(operand: Operand, kernel: Kernel, made: Made) -> None:
    """Two floats in a pair of registers: its modifiers act on both."""
    if operand.inverted or operand.absolute or operand.suffixes != ("F32x2", "HI_LO"):
        raise Refusal("operand with a modifier that its form has not")
    made.source(pair(operand, kernel), ONES, SIGN if operand.negated else 0)


def half_source(operand: Operand, rest: list[Operand], line: Line, kernel: Kernel, made: Made) -> None:
    if operand.kind in (Kind.FLOAT, Kind.INTEGER):
        if operand.kind is Kind.FLOAT:
            if not rest or rest[0].kind is not Kind.FLOAT:
                raise Refusal("operand: one half of an immediate is missing")
            rest.pop(0)
        made.source(kernel.registers.file.constant(line.immediate))
        return
    if operand.inverted or operand.suffixes not in SELECTORS:
        raise Refusal("operand with a modifier that its form has not")
    made.immediate |= SELECTORS[operand.suffixes] << (32 + 2 * len(made.keep))
    keep = 0x7FFF7FFF if operand.absolute else ONES
    made.source(word(operand, kernel), keep, 0x80008000 if operand.negated else 0)


def conversion(line: Line, kernel: Kernel, made: Made, name: str) -> None:
    """Result and source by the two types in the form's name: sass.i2f.TO.FROM, sass.frnd.FORMAT."""
    types = name.split(".")[2:]
    to, source = types[0], types[-1]
    if len(line.operands) != 2 or line.operands[0].kind not in (Kind.REGISTER, Kind.UNIFORM):
        raise Refusal("operand: a conversion has one result and one source")
    result, operand = line.operands
    rows = 2 if to in ("f64", "s64", "u64") else 1
    made.operands.append(kernel.registers.result(result.number, rows, result.kind is Kind.UNIFORM))
    suffixes = {"B0": 0, "B1": 1, "B2": 2, "B3": 3, "H0": 0, "H1": 1, "H0_H0": 0, "H1_H1": 1}
    part = suffixes.get(operand.suffixes[0], -1) if operand.suffixes else 0
    if part < 0 or operand.inverted:
        raise Refusal("operand with a modifier that its form has not")
    if source == "f64":
        double_source(operand, kernel, made)
    elif source in ("s64", "u64"):
        wide_source(operand, kernel, made, source == "s64")
    elif source.startswith(("s", "u")):
        _plain_integer(operand, kernel, made)
        made.variant |= part << 4
    else:
        _narrow_float(operand, line, kernel, made, SIGN if source == "f32" else 0x80008000)
        made.immediate |= (part & 1) << 32


def _plain_integer(operand: Operand, kernel: Kernel, made: Made) -> None:
    if operand.kind is Kind.INTEGER:
        made.source(kernel.registers.file.constant(operand.number))
        return
    made.source(word(operand, kernel), ONES, ONES if operand.negated else 0, operand.negated)


def _narrow_float(operand: Operand, line: Line, kernel: Kernel, made: Made, sign: int) -> None:
    """A float, or a half: its modifiers act on both halves' signs, and one of them is read."""
    if operand.kind in (Kind.FLOAT, Kind.INTEGER):
        made.source(kernel.registers.file.constant(_float_constant(operand, line)))
        return
    made.source(word(operand, kernel), ONES ^ sign if operand.absolute else ONES, sign if operand.negated else 0)
