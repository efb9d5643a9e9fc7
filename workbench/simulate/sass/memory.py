"""Loads, stores, atomic operations, asynchronous copies and mbarriers."""

from __future__ import annotations

from collections.abc import Callable

from workbench.simulate.program import ABSENT, LANES, Instruction, Order, Scope, Space
from workbench.simulate.sass.operands import ZERO, Address, Kind, Operand
from workbench.simulate.sass.refusal import Refusal
from workbench.simulate.sass.sources import word
from workbench.simulate.sass.state import Kernel
from workbench.simulate.sass.text import Line

Lower = Callable[[Line, Kernel], Instruction]

CACHE_HINTS = frozenset(
    {
        "E",
        "CONSTANT",
        "EF",
        "EL",
        "LU",
        "EU",
        "NA",
        "LTC64B",
        "LTC128B",
        "LTC256B",
        "BYPASS",
        "ACCESS",
        "WEAK",
        "PRIVATE",
    }
)
STRENGTH = frozenset({"STRONG", "CTA", "SM", "GPU", "SYS", "MMIO"})
WIDEST = ("ENL2", "256")
"""Eight registers, as two operands: of a load the upper four stand first, of a store the lower."""
SIZES = {"U8": (1, 1), "S8": (1, 1), "U16": (2, 1), "S16": (2, 1), "32": (4, 1), "64": (4, 2), "128": (4, 4)}
"""Bytes of an element, and elements."""


def _modifiers(line: Line, *further: str) -> None:
    for modifier in line.modifiers:
        if modifier not in CACHE_HINTS | STRENGTH | set(SIZES) | set(further):
            raise Refusal(f"modifier .{modifier} is not known")


def _address(operand: Operand, line: Line, kernel: Kernel, space: Space, made: Instruction) -> int:
    """The address's row; offset, scale and base go into the instruction."""
    at = operand.address
    if operand.kind is not Kind.MEMORY or at is None:
        raise Refusal("operand: an address is missing")
    wide = space in (Space.GLOBAL, Space.GENERIC)
    registers = kernel.registers
    made.immediate, made.scale, made.space = at.offset, at.scale, space
    pairs = wide and at.rows == 2
    made.address_rows = 2 if pairs else 1
    if at.uniform != ZERO:
        made.base = registers.uniform(at.uniform, 2 if wide else 1)
    if at.register == ZERO:
        made.address_rows = 2 if wide else 1
        return ABSENT
    if wide and at.scale:
        raise Refusal("operand: a scaled address")
    return registers.register(at.register, 2 if pairs else 1)


def _order(line: Line) -> Order:
    return Order.RELAXED if "STRONG" in line.modifiers else Order.WEAK


def _size(line: Line) -> tuple[int, int]:
    return next((SIZES[m] for m in line.modifiers if m in SIZES), (4, 1))


def _load(space: Space) -> Lower:
    def lower(line: Line, kernel: Kernel) -> Instruction:
        if "256" in line.modifiers:
            return _widest(line, kernel, space, store=False)
        _modifiers(line)
        if len(line.operands) != 2 or line.operands[0].kind is not Kind.REGISTER:
            raise Refusal("operands are not what the form has")
        to, source = line.operands
        made = Instruction("load", order=_order(line))
        made.bytes, made.elements = _size(line)
        made.sign_extend = bool({"S8", "S16"} & set(line.modifiers))
        first = kernel.registers.result(to.number, made.elements)
        made.operands = (_address(source, line, kernel, space, made), *_neighbours(first, made.elements))
        if space is Space.SHARED and made.elements == 1 and made.bytes == 4 and kernel.polls_mbarriers:
            made.form = "sass.lds.poll"
        return made

    return lower


def _store(space: Space) -> Lower:
    def lower(line: Line, kernel: Kernel) -> Instruction:
        if "256" in line.modifiers:
            return _widest(line, kernel, space, store=True)
        _modifiers(line)
        if len(line.operands) != 2 or line.operands[1].kind is not Kind.REGISTER:
            raise Refusal("operands are not what the form has")
        to, source = line.operands
        made = Instruction("store", order=_order(line))
        made.bytes, made.elements = _size(line)
        first = kernel.registers.register(source.number, made.elements)
        made.operands = (_address(to, line, kernel, space, made), *_neighbours(first, made.elements))
        return made

    return lower


def _widest(line: Line, kernel: Kernel, space: Space, store: bool) -> Instruction:
    """256 bits at once, since sm_100."""
    _modifiers(line, *WIDEST)
    memory = [o for o in line.operands if o.kind is Kind.MEMORY]
    halves = [o.number for o in line.operands if o.kind is Kind.REGISTER]
    if "ENL2" not in line.modifiers or (len(memory), len(halves), len(line.operands)) != (1, 2, 3):
        raise Refusal("operands are not what the form has")
    made = Instruction("store" if store else "load", order=_order(line), elements=8)
    low, high = halves if store else reversed(halves)
    of = kernel.registers.register if store else kernel.registers.result
    rows = (*_neighbours(of(low, 4), 4), *_neighbours(of(high, 4), 4))
    made.operands = (_address(memory[0], line, kernel, space, made), *rows)
    return made


def _neighbours(first: int, count: int) -> tuple[int, ...]:
    return tuple(first + LANES * k for k in range(count))


# ---- Atomic operations

_OPERATIONS = ("ADD", "MIN", "MAX", "AND", "OR", "XOR", "EXCH", "INC", "DEC", "CAS")
_TYPES = {
    "64": "u64", "S64": "s64", "U64": "u64", "S32": "s32", "32": "u32", "F32": "f32", "F64": "f64", "F16x2": "f16x2",
    "BF16x2": "bf16x2",
}  # fmt: skip


def _atomic(space: Space, returns: bool) -> Lower:
    def lower(line: Line, kernel: Kernel) -> Instruction:
        known = {*_OPERATIONS, *_TYPES, "FTZ", "RN", "POPC", "CAST", "SPIN", "ARRIVE", "F16x2"}
        _modifiers(line, *known)
        if "ARRIVE" in line.modifiers:
            return _arrive_before_90(line, kernel)
        given = list(line.operands)
        registers = kernel.registers
        if given and given[0].kind is Kind.PREDICATE:  # whether a sum was exact: nothing asks
            given.pop(0)
        wide = next((_TYPES[m] for m in line.modifiers if m in _TYPES), "u32")
        rows = 2 if wide.endswith("64") else 1
        to = ABSENT
        if returns:
            if given[0].kind is not Kind.REGISTER:
                raise Refusal("operands are not what the form has")
            number = given.pop(0).number
            to = ABSENT if number == ZERO else registers.result(number, rows)
        made = Instruction(None, order=Order.RELAXED, bytes=4 * rows)
        if not given:
            raise Refusal("operands are not what the form has")
        address = _address_of_atomic(given.pop(0), line, kernel, space, made)
        if "POPC" in line.modifiers:  # ATOMS.POPC.INC.32: adds one for each lane
            made.form, made.operands = "atomic.add.u32", (address, to, registers.file.constant(1), ABSENT)
            return made
        if not 1 <= len(given) <= 2 or any(o.kind is not Kind.REGISTER for o in given):
            raise Refusal("operands are not what the form has")
        sources = [registers.register(o.number, rows) for o in given]
        made.operands = (address, to, sources[0], sources[1] if len(sources) == 2 else ABSENT)
        if "CAST" in line.modifiers:
            made.form = f"sass.atoms.cast.b{32 * rows}"
            made.operands = (address, to if to != ABSENT else registers.thrown(), *sources, registers.thrown(2))
            return made
        operation = next((m for m in line.modifiers if m in _OPERATIONS), None)
        if operation is None:
            raise Refusal("the operation is missing")
        if (operation == "CAS") != (len(sources) == 2):
            raise Refusal("operands are not what the form has")
        kind = f"b{32 * rows}" if operation in ("AND", "OR", "XOR", "EXCH", "CAS") else wide
        made.form = f"atomic.{operation.lower()}.{kind}"
        return made

    return lower


def _address_of_atomic(operand: Operand, line: Line, kernel: Kernel, space: Space, made: Instruction) -> int:
    """CAS on sm_8x writes the pair of an address of 64 bits (.E) without .64."""
    at = operand.address
    if at is not None and "CAS" in line.modifiers and "E" in line.modifiers and at.uniform == ZERO and at.rows == 1:
        operand = Operand(Kind.MEMORY, address=Address(at.register, 2, at.scale, at.uniform, at.offset))
    return _address(operand, line, kernel, space, made)


def _fence(line: Line, kernel: Kernel) -> Instruction:
    scopes = {"CTA": 0, "SM": 0, "GPU": 1, "VC": 1, "SYS": 2}
    scope = next((scopes[m] for m in line.modifiers if m in scopes), 1)
    return Instruction(
        "fence.warp", variant=scope, order=Order.ACQUIRE_RELEASE, scope=Scope.DEVICE if scope else Scope.BLOCK
    )


# ---- Asynchronous copies


def _copy(line: Line, kernel: Kernel) -> Instruction:
    _modifiers(line, "ZFILL")
    given = list(line.operands)
    made = Instruction("cp.async")
    made.bytes, made.elements = _size(line)
    predicate = given.pop() if given and given[-1].kind is Kind.PREDICATE else None
    if len(given) != 2 or ("ZFILL" in line.modifiers) != (predicate is not None):
        raise Refusal("operands are not what the form has")
    target, source = Instruction(None), Instruction(None)
    to = _address(given[0], line, kernel, Space.SHARED, target)
    start = _address(given[1], line, kernel, Space.GLOBAL, source)
    if to == ABSENT:
        to = kernel.registers.file.constant(0)
    if start == ABSENT or source.address_rows != 2:
        raise Refusal("operand: an address of 32 bits, or none")
    made.scale = target.scale
    made.immediate = (target.immediate & 0xFFFFFFFF) | source.immediate << 32
    made.operands = (to, start, ABSENT, ABSENT, target.base, source.base)
    if predicate is not None:
        registers = kernel.registers
        made.form = "sass.ldgsts.zfill"
        if predicate.negated:
            raise Refusal("operand: a negated predicate")
        row = registers.predicate_source(predicate.number)
        made.operands = (*made.operands, row, registers.file.rows(2), registers.file.rows())
    return made


def _copies_commit(line: Line, kernel: Kernel) -> Instruction:
    return Instruction("cp.async.commit")


def _copies_wait(line: Line, kernel: Kernel) -> Instruction:
    """DEPBAR.LE SB0, n: at most n groups of copies are still on their way."""
    if line.modifiers != ("LE",) or len(line.operands) != 2 or line.operands[1].kind is not Kind.INTEGER:
        return Instruction("nothing")
    return Instruction("cp.async.wait_group", immediate=line.operands[1].number)


def _copies_arrive(line: Line, kernel: Kernel) -> Instruction:
    for modifier in line.modifiers:
        if modifier not in ("LDGSTSBAR", "64", "ARVCNT", "TRANSCNT"):
            raise Refusal(f"modifier .{modifier} is not known")
    made = Instruction("cp.async.mbarrier.arrive")
    made.variant = 1 if "ARVCNT" in line.modifiers else 3 if "TRANSCNT" in line.modifiers else 2
    made.operands = (_address(line.operands[0], line, kernel, Space.SHARED, made),)
    return made


# ---- mbarriers


def _arrive_before_90(line: Line, kernel: Kernel) -> Instruction:
    """ATOMS.ARRIVE.64: one arrival at an mbarrier of sm_80; the result is the state before."""
    to, at = line.operands
    made = Instruction("mbarrier.arrive", variant=2)
    row = ABSENT if to.number == ZERO else kernel.registers.result(to.number, 2)
    made.operands = (_address(at, line, kernel, Space.SHARED, made), row, ABSENT, ABSENT)
    return made


def _mbarrier(line: Line, kernel: Kernel) -> Instruction:
    """SYNCS: mbarriers from sm_90 on."""
    registers = kernel.registers
    kinds = [o.kind for o in line.operands]
    memory = next((o for o in line.operands if o.kind is Kind.MEMORY), None)
    if memory is None:
        raise Refusal("operand: an address is missing")
    made = Instruction("store")
    address = _address(memory, line, kernel, Space.SHARED, made)
    match line.modifiers:
        case ("EXCH", "64"):
            if kinds != [Kind.UNIFORM, Kind.MEMORY, Kind.UNIFORM] or line.operands[0].number != ZERO:
                raise Refusal("operands are not what the form has")
            made.bytes, made.operands = 8, (address, registers.uniform(line.operands[2].number, 2))
        case ("ARRIVE", "TRANS64", *rest) if rest in (["A1T0"], ["OPTOUT", "A1T0"]):
            if kinds != [Kind.REGISTER, Kind.MEMORY, Kind.REGISTER] or line.operands[2].number != ZERO:
                raise Refusal("operands are not what the form has")
            to = line.operands[0].number
            made.form, made.variant = "mbarrier.arrive", int("OPTOUT" in rest)
            made.operands = (address, ABSENT if to == ZERO else registers.result(to, 2), ABSENT, ABSENT)
        case ("ARRIVE", "TRANS64", "RED", "A0T1"):
            made.form = "mbarrier.transaction"
            made.operands = (address, ABSENT, ABSENT, registers.file.constant(1))
        case ("PHASECHK", "TRANS64") | ("PHASECHK", "TRANS64", "TRYWAIT"):
            if kinds != [Kind.PREDICATE, Kind.MEMORY, Kind.REGISTER]:
                raise Refusal("operands are not what the form has")
            # The phase stands in bit 31, as in the high word of a state: the form looks one row further.
            phase = word(line.operands[2], kernel) - LANES
            made.form = "mbarrier.test"
            made.operands = (address, registers.predicate_result(line.operands[0].number), phase)
        case ("CCTL", "IV"):
            made.form, made.operands, made.order = "mbarrier.inval", (address,), Order.RELAXED
        case _:
            raise Refusal(f"modifier .{'.'.join(line.modifiers)} is not known")
    return made


# ---- Matrices


def _load_matrices(line: Line, kernel: Kernel) -> Instruction:
    counts = {"1": 1, "2": 2, "4": 4}
    allowed = {"16", "M88", "MT88", *counts}
    if not set(line.modifiers) <= allowed or line.modifiers[0] != "16":
        raise Refusal(f"modifier .{'.'.join(line.modifiers)} is not known")
    to, at = line.operands
    made = Instruction("ldmatrix", variant=int("MT88" in line.modifiers))
    made.elements = next((counts[m] for m in line.modifiers if m in counts), 1)
    first = kernel.registers.result(to.number, made.elements)
    made.operands = (_address(at, line, kernel, Space.SHARED, made), *_neighbours(first, made.elements))
    return made


_MATRICES: dict[tuple[str, ...], tuple[str, int, int, int]] = {
    ("16816", "F32", "BF16"): ("mma.m16n8k16.f32.bf16", 4, 4, 2), ("16816", "F32"): ("mma.m16n8k16.f32.f16", 4, 4, 2),
    ("1688", "F32", "BF16"): ("mma.m16n8k8.f32.bf16", 4, 2, 1), ("1688", "F32"): ("mma.m16n8k8.f32.f16", 4, 2, 1),
    ("16816", "F16"): ("mma.m16n8k16.f16.f16", 2, 4, 2), ("1688", "F16"): ("mma.m16n8k8.f16.f16", 2, 2, 1),
    ("1688", "F32", "TF32"): ("mma.m16n8k8.f32.tf32", 4, 4, 2),
    ("1684", "F32", "TF32"): ("mma.m16n8k4.f32.tf32", 4, 2, 1),
    **{("16832", "F32", a, b): (f"mma.m16n8k32.f32.{a.lower()}.{b.lower()}", 4, 4, 2)
       for a in ("E4M3", "E5M2") for b in ("E4M3", "E5M2")},
}  # fmt: skip
"""Modifiers → the machine's form, and registers of C and D, of A, of B."""


def _multiply_matrices(line: Line, kernel: Kernel) -> Instruction:
    if line.modifiers not in _MATRICES:
        raise Refusal(f"modifier .{'.'.join(line.modifiers)} is not known")
    name, sums, first, second = _MATRICES[line.modifiers]
    if len(line.operands) != 4 or any(o.kind is not Kind.REGISTER or o.negated for o in line.operands):
        raise Refusal("operands are not what the form has")
    if [o.suffixes for o in line.operands] not in ([()] * 4, [(), ("ROW",), ("COL",), ()]):
        raise Refusal("operands are laid out otherwise than the form has them")
    registers = kernel.registers
    d, a, b, c = (o.number for o in line.operands)
    rows = [
        *_neighbours(registers.result(d, sums), sums), *_neighbours(registers.register(a, first), first),
        *_neighbours(registers.register(b, second), second), *_neighbours(registers.register(c, sums), sums),
    ]  # fmt: skip
    return Instruction(name, tuple(rows))


MEMORY: dict[str, Lower] = {
    "LDG": _load(Space.GLOBAL), "STG": _store(Space.GLOBAL), "LDS": _load(Space.SHARED), "STS": _store(Space.SHARED),
    "LDL": _load(Space.LOCAL), "STL": _store(Space.LOCAL), "LD": _load(Space.GENERIC), "ST": _store(Space.GENERIC),
    "ATOMG": _atomic(Space.GLOBAL, True), "ATOM": _atomic(Space.GENERIC, True), "ATOMS": _atomic(Space.SHARED, True),
    "RED": _atomic(Space.GENERIC, False), "REDG": _atomic(Space.GLOBAL, False), "MEMBAR": _fence, "FENCE": _fence,
    "LDGSTS": _copy, "LDGDEPBAR": _copies_commit, "DEPBAR": _copies_wait, "ARRIVES": _copies_arrive,
    "SYNCS": _mbarrier, "LDSM": _load_matrices, "HMMA": _multiply_matrices, "QMMA": _multiply_matrices,
}  # fmt: skip
