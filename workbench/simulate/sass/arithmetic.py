"""Instructions that the table of forms describes: operands by signature, modifiers by groups."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from workbench.simulate.program import Instruction
from workbench.simulate.sass.forms import ARITHMETIC, UNIFORM, Group, Row
from workbench.simulate.sass.operands import ZERO, Kind, Operand, double_bits, float_bits
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.state import Kernel
from workbench.simulate.sass.text import Line

ONES, SIGN = 0xFFFFFFFF, 0x80000000
SELECTORS = {(): 0, ("H0_H0",): 1, ("H1_H1",): 2, ("H0_NH1",): 3}
PARTS = {"R2P": ("B1", "B2", "B3"), "F2FP": ("H1",)}
CONVERSIONS = ("I2F", "I2FP", "F2I", "F2F", "FRND")


@dataclass
class _Made:
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


def lower_arithmetic(line: Line, kernel: Kernel) -> Instruction:
    """Raises Refusal: the reason of the row that came furthest."""
    line = _with_part(line) if line.base in PARTS else line
    uniform = line.base in UNIFORM
    reasons: list[str] = []
    for row in ARITHMETIC[UNIFORM.get(line.base, line.base)]:
        try:
            made, name = _Made(), modifiers(line, row, into := _Made())
            made.variant, made.immediate = into.variant, into.immediate
            if line.base in CONVERSIONS:
                _conversion(line, kernel, made, name)
            else:
                _operands(line, kernel, row, made, uniform)
            return _finished(line, kernel, row, made, name, uniform)
        except Refusal as why:
            reasons.append(str(why))
    raise Refusal(max(reasons, key=lambda reason: "operand" in reason))


def _with_part(line: Line) -> Line:
    """`R2P PR, R1.B2, …` as `R2P.B2 PR, R1, …`: which part is meant stands with the one or the other."""
    named = [s for operand in line.operands for s in operand.suffixes if s in PARTS[line.base]]
    if len(named) != 1:
        return line
    operands = tuple(replace(o, suffixes=tuple(s for s in o.suffixes if s not in named)) for o in line.operands)
    return replace(line, opcode=f"{line.opcode}.{named[0]}", operands=operands)


def _finished(line: Line, kernel: Kernel, row: Row, made: _Made, name: str, uniform: bool) -> Instruction:
    zero_variant = made.variant == 0 or "n" in row.signature.split()
    if row.plain and not made.modified and zero_variant:
        name, made.operands = _shorter(line, name + ".plain", made.operands)
    elif name == "sass.iadd3.carry" and not made.modified:
        name = _addition(name, made, kernel)
    elif name.startswith("sass.shf"):
        name, made.operands = _shorter(line, name, made.operands)
    return Instruction(
        name, tuple(made.operands), keep=tuple(made.keep), flip=tuple(made.flip), variant=made.variant & 0xFF,
        immediate=made.immediate, uniform=uniform or row.uniform,
    )  # fmt: skip


def _shorter(line: Line, name: str, operands: list[int]) -> tuple[str, list[int]]:
    """A quicker form where most uses of a general one need less."""
    zero = [o.kind in (Kind.REGISTER, Kind.UNIFORM) and o.number == ZERO for o in line.operands]
    if name == "sass.imad.plain" and zero[1] and zero[2]:
        return "sass.mov", [operands[0], operands[3]]
    if name.startswith("sass.shf") and line.operands[2].kind is Kind.INTEGER and 0 <= line.operands[2].number < 32:
        if name == "sass.shf.l.u32.lo":
            return "sass.shl", operands[:3]
        if name in ("sass.shf.r.u32.hi", "sass.shf.r.s32.hi") and zero[1]:
            return f"sass.shr.{name[11:14]}", [operands[0], operands[3], operands[2]]
    return name, operands


def _addition(name: str, made: _Made, kernel: Kernel) -> str:
    """A sum of two words that carries out only, or in only, has a quicker form: 64-bit additions are made of them."""
    registers, file = kernel.registers, kernel.registers.file
    result, out, second_out, a, b, c, carry, _ = made.operands
    nowhere = registers.predicate_result(ZERO)

    def never(slot: int) -> bool:
        negated = bool(made.immediate >> slot & 1)
        return made.operands[slot] == file.predicate_constant(negated)

    if c != registers.register(ZERO) or second_out != nowhere or not never(7):
        return name
    if never(6) and out != nowhere:
        made.operands, made.immediate = [result, out, a, b], 0
        return "sass.iadd.out"
    if out == nowhere:
        made.operands, made.immediate = [result, a, b, carry], (made.immediate >> 6 & 1) << 3
        return "sass.iadd.in"
    return name


def modifiers(line: Line, row: Row, made: _Made) -> str:
    """The name of the form; numbers go into `made`. Raises Refusal."""
    free: list[Group] = list(row.groups)
    chosen: dict[int, str | int] = {}
    for modifier in line.modifiers:
        place = next((k for k, g in enumerate(free) if k not in chosen and modifier in g.options), None)
        if place is not None:
            chosen[place] = free[place].options[modifier]
        elif modifier not in row.ignored:
            raise Refusal(f"modifier .{modifier} is not known")
    name = row.form
    for place, group in enumerate(free):
        value = chosen.get(place, group.default)
        if value is None:
            raise Refusal(f"one of {', '.join('.' + name for name in group.options)} is missing")
        if isinstance(value, str):
            name += f".{value}" if value else ""
        elif group.high:
            made.immediate |= value << 32
        else:
            made.variant |= value << group.shift
    return name


def _operands(line: Line, kernel: Kernel, row: Row, made: _Made, uniform: bool) -> None:
    rest = list(line.operands)
    for token in row.signature.split():
        optional = token.endswith("?") or "=" in token
        kind = token[0]
        if kind == "_":
            made.source(kernel.registers.file.constant(0))
            continue
        if rest and _fits(kind, rest[0]):
            _take(kind, rest, line, kernel, made)
        elif optional:
            _absent(token, kernel, made)
        else:
            raise Refusal(f"operand {len(line.operands) - len(rest) + 1} is not what the form has there")
    if rest:
        raise Refusal(f"{len(rest)} operands too many")


def _fits(kind: str, operand: Operand) -> bool:
    values = (Kind.REGISTER, Kind.UNIFORM, Kind.CONSTANT, Kind.INTEGER)
    kinds: dict[str, tuple[Kind, ...]] = {
        "d": (Kind.REGISTER, Kind.UNIFORM), "D": (Kind.REGISTER, Kind.UNIFORM),
        "q": (Kind.PREDICATE, Kind.UNIFORM_PREDICATE), "p": (Kind.PREDICATE, Kind.UNIFORM_PREDICATE),
        "i": values, "I": values, "w": values, "f": (*values, Kind.FLOAT), "g": (*values, Kind.FLOAT),
        "h": (*values, Kind.FLOAT), "n": (Kind.INTEGER,), "m": (Kind.INTEGER,), "P": (Kind.PREDICATES,),
        "B": (Kind.BARRIER,),
    }  # fmt: skip
    return operand.kind in kinds[kind]


def _absent(token: str, kernel: Kernel, made: _Made) -> None:
    registers = kernel.registers
    if token[0] in "dD":
        made.operands.append(registers.thrown())
    elif token[0] == "q":
        made.operands.append(registers.predicate_result(ZERO))
    elif token[0] == "p":
        made.operands.append(registers.file.predicate_constant(token.endswith("T")))
    else:
        made.source(registers.file.constant(0))


def _take(kind: str, rest: list[Operand], line: Line, kernel: Kernel, made: _Made) -> None:
    operand = rest.pop(0)
    registers = kernel.registers
    if kind in "dD":
        if operand.negated or operand.inverted or operand.absolute or operand.suffixes:
            raise Refusal("operand: a result with a modifier")
        made.operands.append(registers.result(operand.number, 2 if kind == "D" else 1, operand.kind is Kind.UNIFORM))
    elif kind == "q":
        if operand.negated:
            raise Refusal("operand: a result with a modifier")
        made.operands.append(registers.predicate_result(operand.number, operand.kind is Kind.UNIFORM_PREDICATE))
    elif kind == "p":
        made.immediate |= int(operand.negated) << len(made.operands)
        made.operands.append(registers.predicate_source(operand.number, operand.kind is Kind.UNIFORM_PREDICATE))
    elif kind == "n":
        made.variant |= operand.number & 0xFF
    elif kind == "m":
        made.immediate |= (operand.number & 0xFF) << 32
    elif kind == "P":
        made.operands.append(registers.uniform_predicates if line.base.startswith("U") else registers.predicates)
    elif kind == "B":
        made.operands.append(registers.barrier(operand.number))
    elif kind in "iI":
        integer_source(operand, kernel, made, kind == "i")
    elif kind == "w":
        _wide_source(operand, kernel, made, "U32" not in line.modifiers)
    elif kind == "f":
        float_source(operand, line, kernel, made)
    elif kind == "g":
        double_source(operand, kernel, made)
    else:
        _half_source(operand, rest, line, kernel, made)


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


def integer_source(operand: Operand, kernel: Kernel, made: _Made, may_change: bool) -> None:
    if operand.absolute or operand.suffixes or (not may_change and (operand.negated or operand.inverted)):
        raise Refusal("operand with a modifier that its form has not")
    if operand.kind is Kind.INTEGER:
        made.source(kernel.registers.file.constant(operand.number))
        return
    changed = operand.negated or operand.inverted
    made.source(word(operand, kernel), ONES, ONES if changed else 0, operand.negated)


def _wide_source(operand: Operand, kernel: Kernel, made: _Made, is_signed: bool) -> None:
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


def float_source(operand: Operand, line: Line, kernel: Kernel, made: _Made) -> None:
    if operand.inverted or operand.suffixes:
        raise Refusal("operand with a modifier that its form has not")
    if operand.kind in (Kind.FLOAT, Kind.INTEGER):
        made.source(kernel.registers.file.constant(_float_constant(operand, line)))
        return
    keep = ONES ^ SIGN if operand.absolute else ONES
    made.source(word(operand, kernel), keep, SIGN if operand.negated else 0)


def double_source(operand: Operand, kernel: Kernel, made: _Made) -> None:
    if operand.inverted or operand.suffixes not in ((), ("64",)):
        raise Refusal("operand with a modifier that its form has not")
    if operand.kind in (Kind.FLOAT, Kind.INTEGER):
        bits = double_bits(operand.text) if operand.kind is Kind.FLOAT else (operand.number & ONES) << 32
        made.source(kernel.registers.file.constant(bits, 2))
        return
    keep = ONES ^ SIGN if operand.absolute else ONES
    made.source(pair(operand, kernel), keep, SIGN if operand.negated else 0)


def _half_source(operand: Operand, rest: list[Operand], line: Line, kernel: Kernel, made: _Made) -> None:
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


def _conversion(line: Line, kernel: Kernel, made: _Made, name: str) -> None:
    """Result and source by the two types in the form's name: sass.i2f.TO.FROM, sass.frnd.FORMAT."""
    types = name.split(".")[2:]
    to, source = types[0], types[-1]
    if len(line.operands) != 2 or line.operands[0].kind is not Kind.REGISTER:
        raise Refusal("operand: a conversion has one result and one source")
    result, operand = line.operands
    made.operands.append(kernel.registers.result(result.number, 2 if to in ("f64", "s64", "u64") else 1))
    suffixes = {"B0": 0, "B1": 1, "B2": 2, "B3": 3, "H0": 0, "H1": 1, "H0_H0": 0, "H1_H1": 1}
    part = suffixes.get(operand.suffixes[0], -1) if operand.suffixes else 0
    if part < 0 or operand.inverted:
        raise Refusal("operand with a modifier that its form has not")
    if source == "f64":
        double_source(operand, kernel, made)
    elif source in ("s64", "u64"):
        _wide_source(operand, kernel, made, source == "s64")
    elif source.startswith(("s", "u")):
        _plain_integer(operand, kernel, made)
        made.variant |= part << 4
    else:
        _narrow_float(operand, line, kernel, made, SIGN if source == "f32" else 0x80008000)
        made.immediate |= (part & 1) << 32


def _plain_integer(operand: Operand, kernel: Kernel, made: _Made) -> None:
    if operand.kind is Kind.INTEGER:
        made.source(kernel.registers.file.constant(operand.number))
        return
    made.source(word(operand, kernel), ONES, ONES if operand.negated else 0, operand.negated)


def _narrow_float(operand: Operand, line: Line, kernel: Kernel, made: _Made, sign: int) -> None:
    """A float, or a half: its modifiers act on both halves' signs, and one of them is read."""
    if operand.kind in (Kind.FLOAT, Kind.INTEGER):
        made.source(kernel.registers.file.constant(_float_constant(operand, line)))
        return
    made.source(word(operand, kernel), ONES ^ sign if operand.absolute else ONES, sign if operand.negated else 0)
