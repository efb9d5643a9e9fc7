"""Instructions that the table of forms describes: operands by signature, modifiers by groups."""

from __future__ import annotations

from dataclasses import replace

from workbench.simulate.program import Instruction
from workbench.simulate.sass.forms import ARITHMETIC, UNIFORM, Group, Row
from workbench.simulate.sass.operands import ZERO, Kind, Operand
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.sources import (
    Made,
    conversion,
    double_source,
    float_source,
    half_source,
    integer_source,
    pair_of_floats,
    wide_source,
)
from workbench.simulate.sass.state import Kernel
from workbench.simulate.sass.text import Line

PARTS = {"R2P": ("B1", "B2", "B3"), "F2FP": ("H1",)}
CONVERSIONS = ("I2F", "I2FP", "F2I", "F2F", "FRND")
LITERALS = {"t": False, "u": True}
"""Predicates that a form must have as they are: whether they are negated PTs."""


def lower_arithmetic(line: Line, kernel: Kernel) -> Instruction:
    """Raises Refusal: the reason of the row that came furthest."""
    line = _with_part(line) if line.base in PARTS else line
    uniform = line.base in UNIFORM
    reasons: list[str] = []
    opcode = UNIFORM.get(line.base, line.base)
    for row in ARITHMETIC[opcode]:
        try:
            if kernel.facts.generation < row.since:
                raise Refusal(f"a form that is known from sm_{row.since} on")
            made, name = Made(), modifiers(line, row, into := Made())
            made.variant, made.immediate = into.variant, into.immediate
            if opcode in CONVERSIONS:
                conversion(line, kernel, made, name)
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


def _finished(line: Line, kernel: Kernel, row: Row, made: Made, name: str, uniform: bool) -> Instruction:
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


def _addition(name: str, made: Made, kernel: Kernel) -> str:
    """A sum of two words that carries out only, or in only, has a quicker form: 64-bit additions are made of them. So
    has one of three without carries, which since sm_100 is written with PT for each."""
    registers, file = kernel.registers, kernel.registers.file
    result, out, second_out, a, b, c, carry, _ = made.operands
    nowhere = registers.predicate_result(ZERO)

    def never(slot: int) -> bool:
        negated = bool(made.immediate >> slot & 1)
        return made.operands[slot] == file.predicate_constant(negated)

    if out == nowhere and second_out == nowhere and never(6) and never(7):
        made.operands, made.immediate = [result, a, b, c], 0
        return "sass.iadd3.plain"
    if c != registers.register(ZERO) or second_out != nowhere or not never(7):
        return name
    if never(6) and out != nowhere:
        made.operands, made.immediate = [result, out, a, b], 0
        return "sass.iadd.out"
    if out == nowhere:
        made.operands, made.immediate = [result, a, b, carry], (made.immediate >> 6 & 1) << 3
        return "sass.iadd.in"
    return name


def modifiers(line: Line, row: Row, made: Made) -> str:
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


def _operands(line: Line, kernel: Kernel, row: Row, made: Made, uniform: bool) -> None:
    rest = list(line.operands)
    for token in row.signature.split():
        optional = token.endswith("?") or "=" in token
        kind = token[0]
        if kind == "_":
            _empty(token, kernel, made)
            continue
        if rest and _fits(kind, rest[0]):
            if kind in LITERALS:
                rest.pop(0)
                continue
            _take(kind, rest, line, kernel, made)
        elif optional:
            _absent(token, kernel, made)
        else:
            raise Refusal(f"operand {len(line.operands) - len(rest) + 1} is not what the form has there")
    if rest:
        raise Refusal(f"{len(rest)} operands too many")


def _empty(token: str, kernel: Kernel, made: Made) -> None:
    """A place that nothing is written for: _0 is zeros, _1 a predicate thrown away, _2 one that never holds."""
    if token == "_1":
        made.operands.append(kernel.registers.predicate_result(ZERO))
    elif token == "_2":
        made.operands.append(kernel.registers.file.predicate_constant(False))
    else:
        made.source(kernel.registers.file.constant(0))


def _fits(kind: str, operand: Operand) -> bool:
    if kind in LITERALS:
        predicate = operand.kind in (Kind.PREDICATE, Kind.UNIFORM_PREDICATE)
        return predicate and operand.number == ZERO and operand.negated == LITERALS[kind]
    values = (Kind.REGISTER, Kind.UNIFORM, Kind.CONSTANT, Kind.INTEGER)
    kinds: dict[str, tuple[Kind, ...]] = {
        "d": (Kind.REGISTER, Kind.UNIFORM), "D": (Kind.REGISTER, Kind.UNIFORM),
        "q": (Kind.PREDICATE, Kind.UNIFORM_PREDICATE), "p": (Kind.PREDICATE, Kind.UNIFORM_PREDICATE),
        "i": values, "I": values, "w": values, "W": values, "f": (*values, Kind.FLOAT), "g": (*values, Kind.FLOAT),
        "v": (Kind.REGISTER, Kind.UNIFORM),
        "h": (*values, Kind.FLOAT), "n": (Kind.INTEGER,), "m": (Kind.INTEGER,), "P": (Kind.PREDICATES,),
        "B": (Kind.BARRIER,),
    }  # fmt: skip
    return operand.kind in kinds[kind]


def _absent(token: str, kernel: Kernel, made: Made) -> None:
    registers = kernel.registers
    if token[0] in "dD":
        made.operands.append(registers.thrown())
    elif token[0] == "q":
        made.operands.append(registers.predicate_result(ZERO))
    elif token[0] == "p":
        made.operands.append(registers.file.predicate_constant(token.endswith("T")))
    else:
        made.source(registers.file.constant(0))


def _take(kind: str, rest: list[Operand], line: Line, kernel: Kernel, made: Made) -> None:
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
    elif kind in "wW":
        if kind == "W" and (operand.negated or operand.inverted):
            raise Refusal("operand with a modifier that its form has not")
        wide_source(operand, kernel, made, "U32" not in line.modifiers)
    elif kind == "f":
        float_source(operand, line, kernel, made)
    elif kind == "g":
        double_source(operand, kernel, made)
    elif kind == "v":
        pair_of_floats(operand, kernel, made)
    else:
        half_source(operand, rest, line, kernel, made)
