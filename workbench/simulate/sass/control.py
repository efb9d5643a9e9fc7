"""Instructions that move the program counter, wait, or read what is not a register."""

from __future__ import annotations

from collections.abc import Callable

from workbench.simulate.program import ABSENT, Flow, Instruction, Only, Reduction, Special
from workbench.simulate.sass.forms import NOTHING, SPECIALS
from workbench.simulate.sass.operands import ZERO, Kind, Operand
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.registers import SHARED_WINDOW
from workbench.simulate.sass.sources import word
from workbench.simulate.sass.state import Kernel
from workbench.simulate.sass.text import Line

Lower = Callable[[Line, Kernel], Instruction]
ALL_LANES = 0xFFFFFFFF


def _only(line: Line, *modifiers: str) -> None:
    for modifier in line.modifiers:
        if modifier not in modifiers:
            raise Refusal(f"modifier .{modifier} is not known")


def _operands(line: Line, *kinds: tuple[Kind, ...]) -> list[Operand]:
    given = [o.kind for o in line.operands]
    if len(given) != len(kinds) or any(kind not in allowed for kind, allowed in zip(given, kinds, strict=True)):
        raise Refusal("operands are not what the form has")
    return list(line.operands)


def _nothing(line: Line, kernel: Kernel) -> Instruction:
    return Instruction("nothing")


def _exit(line: Line, kernel: Kernel) -> Instruction:
    _only(line)
    _operands(line)
    return Instruction(None, flow=Flow.EXIT)


def _branch(line: Line, kernel: Kernel) -> Instruction:
    _only(line, "U", "DIV", "CONV", "ANY", "NODEC", "INC", "DEC")
    if not line.operands or line.operands[-1].kind is not Kind.LABEL or len(line.operands) > 2:
        raise Refusal("operands are not what the form has")
    made = Instruction(None, flow=Flow.BRANCH, target=kernel.target(line.operands[-1]))
    if len(line.operands) == 1:
        if "DIV" in line.modifiers or "CONV" in line.modifiers:
            raise Refusal("operands are not what the form has")
        if "ANY" in line.modifiers:
            made.variant = Only.ANY
        return made
    asked = line.operands[0]
    if "ANY" in line.modifiers:
        raise Refusal("operands are not what the form has")
    if asked.kind in (Kind.PREDICATE, Kind.UNIFORM_PREDICATE):
        row = kernel.registers.predicate_source(asked.number, asked.kind is Kind.UNIFORM_PREDICATE)
        made.operands = (row,)
        made.variant = Only.WHERE_UNSET if asked.negated else Only.WHERE_SET
        return made
    if asked.kind is not Kind.UNIFORM or not {"DIV", "CONV"} & set(line.modifiers):
        raise Refusal("operands are not what the form has")
    if asked.inverted and asked.number != ZERO:
        raise Refusal("operand: a complemented mask")
    mask = kernel.registers.file.constant(ALL_LANES) if asked.inverted else kernel.registers.uniform(asked.number)
    made.operands = (mask,)
    made.variant = Only.DIVERGED if "DIV" in line.modifiers else Only.CONVERGED
    return made


def _call(line: Line, kernel: Kernel) -> Instruction:
    """The return address was put into registers before: a call is a jump."""
    _only(line, "REL", "ABS", "NOINC")
    if line.operands and line.operands[-1].kind is Kind.LABEL and len(line.operands) == 1:
        return Instruction(None, flow=Flow.BRANCH, target=kernel.target(line.operands[0]))
    raise Refusal("operand: a call through a register")


def _return(line: Line, kernel: Kernel) -> Instruction:
    _only(line, "REL", "ABS", "NODEC")
    register, label = _operands(line, (Kind.REGISTER,), (Kind.LABEL,))
    base = kernel.labels.get(label.text)
    if base is None:
        raise Refusal(f"label {label.text} is not in this kernel")
    return Instruction(None, (kernel.registers.register(register.number),), flow=Flow.BRANCH_TO_ROW, immediate=base)


def _branch_indexed(line: Line, kernel: Kernel) -> Instruction:
    """To the register plus an offset, counted from the next instruction."""
    _only(line)
    register, offset = _operands(line, (Kind.REGISTER,), (Kind.INTEGER,))
    return Instruction(
        None, (kernel.registers.register(register.number),), flow=Flow.BRANCH_TO_ROW,
        immediate=line.address + 16 + offset.number,
    )  # fmt: skip


def _begin_convergence(line: Line, kernel: Kernel) -> Instruction:
    _only(line, "RELIABLE", "RECONVERGENT", "SKIP", "SHORT", "TRYLOCK")
    barrier, _ = _operands(line, (Kind.BARRIER,), (Kind.LABEL,))
    return Instruction("sass.bssy", (kernel.registers.barrier(barrier.number),))


def _converge(line: Line, kernel: Kernel) -> Instruction:
    _only(line, "RELIABLE", "RECONVERGENT")
    (barrier,) = _operands(line, (Kind.BARRIER,))
    return Instruction(None, (kernel.registers.barrier(barrier.number),), flow=Flow.CONVERGE)


def _move_barrier(line: Line, kernel: Kernel) -> Instruction:
    """BMOV: a convergence barrier to or from a register; what is cleared is not read again before it is set."""
    _only(line, "32", "CLEAR", "PQUAD")
    kinds = (Kind.REGISTER, Kind.BARRIER)
    to, source = _operands(line, kinds, kinds)
    rows = [
        kernel.registers.barrier(o.number) if o.kind is Kind.BARRIER
        else kernel.registers.result(o.number) if o is to else kernel.registers.register(o.number)
        for o in (to, source)
    ]  # fmt: skip
    return Instruction("sass.mov", tuple(rows))


def _warp_sync(line: Line, kernel: Kernel) -> Instruction:
    _only(line, "ALL", "COLLECTIVE", "EXCLUSIVE")
    given = [o for o in line.operands if o.kind is not Kind.LABEL]
    if len(given) > 1 or (not given and "ALL" not in line.modifiers):
        raise Refusal("operands are not what the form has")
    registers = kernel.registers
    if not given:
        row = registers.file.constant(ALL_LANES)
    elif given[0].kind is Kind.INTEGER:
        row = registers.file.constant(given[0].number)
    else:
        row = word(given[0], kernel)
    return Instruction(None, (ABSENT, ABSENT, ABSENT, ABSENT, row), flow=Flow.WARP_SYNC)


def _block_barrier(line: Line, kernel: Kernel) -> Instruction:
    """BAR: the number of a barrier and of its threads; in one register both, as bits 0 to 3 and from 16 on."""
    _only(line, "SYNC", "ARV", "RED", "POPC", "AND", "OR", "DEFER_BLOCKING")
    reductions = {"POPC": Reduction.COUNT, "AND": Reduction.ALL, "OR": Reduction.ANY}
    reduction = next((reductions[m] for m in line.modifiers if m in reductions), Reduction.NONE)
    given = [o for o in line.operands if o.kind not in (Kind.PREDICATE, Kind.UNIFORM_PREDICATE)]
    votes = [o for o in line.operands if o.kind is Kind.PREDICATE]
    if not 1 <= len(given) <= 2 or len(votes) != (reduction is not Reduction.NONE):
        raise Refusal("operands are not what the form has")
    file = kernel.registers.file
    rows = [file.constant(o.number) if o.kind is Kind.INTEGER else word(o, kernel) for o in given]
    made = Instruction(None, (*rows, *[ABSENT] * (2 - len(rows))), flow=Flow.BLOCK_BARRIER)
    made.immediate = int("ARV" in line.modifiers)
    if len(given) == 2 and given[0].kind is Kind.REGISTER and given[1].kind is Kind.REGISTER:
        made.scale = 16
    if votes:
        made.operands = (*made.operands, kernel.registers.predicate_source(votes[0].number))
        made.flip = (ALL_LANES if votes[0].negated else 0,)
        made.variant = reduction
    return made


def _pause(line: Line, kernel: Kernel) -> Instruction:
    return Instruction(None, flow=Flow.PAUSE)


def _special(line: Line, kernel: Kernel) -> Instruction:
    """S2R, S2UR, CS2R: a special register into a register, or a pair."""
    _only(line, "32")
    uniform = line.base == "S2UR"
    result, source = _operands(line, (Kind.UNIFORM if uniform else Kind.REGISTER,), (Kind.SPECIAL,))
    wide = line.base == "CS2R" and "32" not in line.modifiers
    registers = kernel.registers
    to = registers.result(result.number, 2 if wide else 1, uniform)
    if source.text in ("SR_CLOCKLO", "SR_CLOCKHI", "SR_GLOBALTIMERLO", "SR_GLOBALTIMERHI"):
        if source.text.endswith("HI"):
            return Instruction("sass.mov", (to, registers.file.constant(0)), uniform=uniform)
        return Instruction("sass.clock", (to,), variant=int(wide), uniform=uniform)
    zero = registers.file.constant(0)
    fixed = {"SRZ": 0, "SR_CgaCtaId": 0, "SR_SWINHI": SHARED_WINDOW >> 32, "SR_SMEMWINHI": SHARED_WINDOW >> 32}
    if source.text in fixed:
        row = registers.file.constant(fixed[source.text])
    elif source.text in SPECIALS:
        row = registers.file.special(Special[SPECIALS[source.text]])
    else:
        raise Refusal(f"special register {source.text} is not known")
    if wide:
        return Instruction("sass.mov.two", (to, row, zero))
    return Instruction("sass.mov", (to, row), uniform=uniform)


_CONSTANT_BYTES = {"128": 16, "64": 8, "U8": 1, "S8": 1, "U16": 2, "S16": 2}
_MOVES = {4: "sass.mov", 8: "sass.mov.two", 16: "sass.mov.four"}


def _load_constant(line: Line, kernel: Kernel) -> Instruction:
    """LDC, and into uniform registers ULDC (LDCU since sm_100): constant memory, at an address that may hold a
    register."""
    _only(line, *_CONSTANT_BYTES, "32")
    uniform = line.base in ("ULDC", "LDCU")
    result, source = _operands(line, (Kind.UNIFORM if uniform else Kind.REGISTER,), (Kind.CONSTANT,))
    size = next((_CONSTANT_BYTES[m] for m in line.modifiers if m in _CONSTANT_BYTES), 4)
    registers, at = kernel.registers, source.address
    assert at is not None
    to = registers.result(result.number, max(1, size // 4), uniform)
    if at.register == ZERO and at.uniform == ZERO and size >= 4:
        rows = [registers.constant_word(source.number, at.offset + k) for k in range(0, size, 4)]
        return Instruction(_MOVES[size], (to, *rows), uniform=uniform)
    if at.register != ZERO and at.uniform != ZERO:
        raise Refusal("operand: a constant with two registers")
    row = registers.register(at.register) if at.uniform == ZERO else registers.uniform(at.uniform)
    offset = at.offset - (kernel.facts.parameter_base if source.number == 0 else 0)
    return Instruction(
        "sass.ldc", (to, row), immediate=kernel.bank_place(source.number) + offset, bytes=size,
        sign_extend=any(m.startswith("S") for m in line.modifiers), uniform=uniform,
    )  # fmt: skip


_SHUFFLES = {"IDX": "shfl.idx", "UP": "shfl.up", "DOWN": "shfl.down", "BFLY": "shfl.bfly"}


def _source(operand: Operand, kernel: Kernel) -> int:
    if operand.kind is Kind.INTEGER:
        return kernel.registers.file.constant(operand.number)
    if operand.negated or operand.inverted or operand.absolute or operand.suffixes:
        raise Refusal("operand with a modifier that its form has not")
    return word(operand, kernel)


def _shuffle(line: Line, kernel: Kernel) -> Instruction:
    _only(line, *_SHUFFLES)
    values = (Kind.REGISTER, Kind.INTEGER)
    predicate, to, value, lane, clamp = _operands(
        line, (Kind.PREDICATE,), (Kind.REGISTER,), (Kind.REGISTER,), values, values
    )
    registers = kernel.registers
    rows = (registers.result(to.number), *(_source(o, kernel) for o in (value, lane, clamp)), ABSENT)
    return Instruction(_SHUFFLES[line.modifiers[0]], (*rows, registers.predicate_result(predicate.number)))


def _match(line: Line, kernel: Kernel) -> Instruction:
    _only(line, "ANY", "ALL", "U32", "U64")
    wide = "b64" if "U64" in line.modifiers else "b32"
    registers = kernel.registers
    given = list(line.operands)
    predicate = given.pop(0).number if given and given[0].kind is Kind.PREDICATE else ZERO
    if len(given) != 2 or {o.kind for o in given} != {Kind.REGISTER}:
        raise Refusal("operands are not what the form has")
    value = registers.register(given[1].number, 2 if wide == "b64" else 1)
    rows = (registers.result(given[0].number), value, ABSENT, ABSENT, ABSENT)
    if "ANY" in line.modifiers:
        return Instruction(f"match.any.{wide}", rows)
    return Instruction(f"match.all.{wide}", (*rows, registers.predicate_result(predicate)))


def _reduce(line: Line, kernel: Kernel) -> Instruction:
    """REDUX, and CREDUX since sm_100: of the active lanes' values, into a uniform register: every lane of its row."""
    _only(line, "SUM", "MIN", "MAX", "AND", "OR", "XOR", "S32", "U32")
    names = {"SUM": "add.u32", "MIN": "min", "MAX": "max", "AND": "and.b32", "OR": "or.b32", "XOR": "xor.b32"}
    name = names[next((m for m in line.modifiers if m in names), "AND")]
    if name in ("min", "max"):
        name += ".s32" if "S32" in line.modifiers else ".u32"
    to, value = _operands(line, (Kind.UNIFORM,), (Kind.REGISTER,))
    rows = (kernel.registers.result(to.number, 1, True), kernel.registers.register(value.number))
    return Instruction(f"sass.redux.{name}", rows)


def _elect(line: Line, kernel: Kernel) -> Instruction:
    """One of the active lanes, the lowest; which one a GPU takes is left open."""
    _only(line)
    held, number, among = _operands(line, (Kind.PREDICATE,), (Kind.UNIFORM,), (Kind.PREDICATE,))
    if number.number != ZERO or among.number != ZERO or among.negated:
        raise Refusal("operands are not what the form has")
    return Instruction("elect", (ABSENT, kernel.registers.predicate_result(held.number)))


CONTROL: dict[str, Lower] = {
    **dict.fromkeys(NOTHING, _nothing),
    "EXIT": _exit, "BRA": _branch, "CALL": _call, "RET": _return, "BRX": _branch_indexed, "BSSY": _begin_convergence,
    "BSYNC": _converge, "BMOV": _move_barrier, "WARPSYNC": _warp_sync, "BAR": _block_barrier, "YIELD": _pause,
    "NANOSLEEP": _pause, "S2R": _special, "S2UR": _special, "CS2R": _special, "LDC": _load_constant,
    "ULDC": _load_constant, "LDCU": _load_constant, "SHFL": _shuffle, "MATCH": _match, "REDUX": _reduce,
    "CREDUX": _reduce, "ELECT": _elect,
}  # fmt: skip
