"""Loads, stores, atomics, address conversions and moves between registers of different widths."""

from __future__ import annotations

import re
from typing import Any

from workbench.simulate.program import ABSENT, Order, Scope, Space
from workbench.simulate.ptx.draft import Operand, Virtual
from workbench.simulate.ptx.forms import width
from workbench.simulate.ptx.lower import Address, Lowering, Parameter
from workbench.simulate.ptx.reader import SIZES, Statement, split_operands

SHARED_WINDOW, LOCAL_WINDOW, WINDOW_BYTES = 0x7E_0000_0000, 0x7D_0000_0000, 0x100_0000
"""Where generic addresses find shared and local memory; as in machine/machine.h."""
SPACES = {
    "global": Space.GLOBAL, "shared": Space.SHARED, "shared::cta": Space.SHARED, "local": Space.LOCAL,
    "const": Space.CONSTANT,
}  # fmt: skip
ORDERS = {
    "weak": Order.WEAK, "relaxed": Order.RELAXED, "acquire": Order.ACQUIRE, "release": Order.RELEASE,
    "acq_rel": Order.ACQUIRE_RELEASE, "volatile": Order.VOLATILE, "mmio": Order.RELAXED,
}  # fmt: skip
SCOPES = {"cta": Scope.BLOCK, "cluster": Scope.CLUSTER, "gpu": Scope.DEVICE, "sys": Scope.SYSTEM}
HINTS = re.compile(
    r"(?:c[agsv]|lu|nc|w[bt]|L1::(?:evict_(?:normal|unchanged|first|last)|no_allocate)"
    r"|L2::(?:evict_\w+|64B|128B|256B|cache_hint))$"
)
"""Where data is kept on its way; it changes no value. The operand of a cache hint is not looked at."""


def split_modifiers(low: Lowering, modifiers: list[str]) -> tuple[Space | None, Order, Scope, int, list[str]]:
    """Space (None: generic), order, scope, elements, and what is left. Cache hints are dropped."""
    space, order, scope, elements, left = None, Order.WEAK, Scope.THREAD, 1, []
    for word in modifiers:
        if word in SPACES:
            space = SPACES[word]
        elif word in ORDERS:
            order = ORDERS[word]
        elif word in SCOPES:
            scope = SCOPES[word]
        elif word in ("v2", "v4", "v8"):
            elements = int(word[1])
        elif not HINTS.match(word):
            left.append(word)
    if order != Order.WEAK and scope == Scope.THREAD:
        scope = Scope.SYSTEM if order == Order.VOLATILE else Scope.DEVICE
    return space, order, scope, elements, left


def vector(low: Lowering, text: str, elements: int) -> list[str]:
    """The registers of `{a, b}`, as many as the opcode has elements; a single one needs no braces."""
    inside = text.strip()
    if inside.startswith("{"):
        inside = inside[1:-1]
    assert low.statement is not None
    parts = split_operands(inside, low.statement.line)
    if len(parts) != elements:
        raise low.refuse(f"{low.statement.opcode} moves {elements} elements, not {len(parts)}")
    return parts


def fields_of(low: Lowering, space: Space | None, address: Address) -> dict[str, Any]:
    """The fields that a memory instruction's address gives it; a variable's own space where the opcode has none."""
    if space is None:
        named = address.variable.space if address.variable else ""
        space = SPACES.get(named, Space.GENERIC)
    return {"space": space, "immediate": address.offset, "address_rows": address.rows}


def need(low: Lowering, statement: Statement, least: int, most: int | None = None) -> None:
    if not least <= len(statement.operands) <= (most or least):
        raise low.refuse(f"{statement.opcode} has {least} operands, not {len(statement.operands)}")


def load(low: Lowering, statement: Statement) -> None:
    words = statement.opcode.split(".")[1:]
    if words[:1] in (["param"], ["param::entry"], ["param::func"]):
        load_parameter(low, statement, words[1:])
        return
    space, order, scope, elements, left = split_modifiers(low, words)
    if len(left) != 1 or left[0] not in SIZES:
        raise low.unknown()
    need(low, statement, 2, 3 if "L2::cache_hint" in statement.opcode else 2)
    kind = left[0]
    address = low.address(statement.operands[1])
    names = vector(low, statement.operands[0], elements)
    registers = [_element(low, name, kind, load=True) for name in names]
    low.emit(
        "load", address.row, *registers, written=tuple(range(1, len(registers) + 1)), order=order, scope=scope,
        bytes=SIZES[kind], elements=elements, sign_extend=kind[0] == "s", variant=int("nc" in words),
        **fields_of(low, space, address),
    )  # fmt: skip


def store(low: Lowering, statement: Statement) -> None:
    words = statement.opcode.split(".")[1:]
    if words[:1] in (["param"], ["param::func"]):
        store_parameter(low, statement, words[1:])
        return
    space, order, scope, elements, left = split_modifiers(low, words)
    if len(left) != 1 or left[0] not in SIZES or space == Space.CONSTANT:
        raise low.unknown()
    need(low, statement, 2, 3 if "L2::cache_hint" in statement.opcode else 2)
    kind = left[0]
    address = low.address(statement.operands[0])
    registers = [_element(low, name, kind) for name in vector(low, statement.operands[1], elements)]
    low.emit(
        "store", address.row, *registers, order=order, scope=scope, bytes=SIZES[kind], elements=elements,
        **fields_of(low, space, address),
    )  # fmt: skip


def _element(low: Lowering, name: str, kind: str, load: bool = False) -> Operand:
    """What one element goes to or comes from: a register that may be wider than it. Unwanted elements get a row."""
    if load and name == "_":
        return Virtual(2 if SIZES[kind] == 8 else 1)
    found = low.register(name)
    if found is None:
        if load:
            raise low.refuse(f"{name} is no register")
        return low.source(name, kind if SIZES[kind] >= 4 else "b32")
    if not load and found[0].rows == 2 and SIZES[kind] <= 4:
        low_word = Virtual(1)  # a wider register is stored by its low bytes
        low.emit("split.b64", low_word, Virtual(1), found[0], written=(0, 1))
        return low_word
    if found[0].rows != (2 if SIZES[kind] == 8 else 1) or SIZES.get(found[1], 0) < SIZES[kind]:
        raise low.refuse(f"{name} is a register of type .{found[1]} where .{kind} is wanted")
    return found[0]


def _parameter_type(low: Lowering, statement: Statement, words: list[str]) -> tuple[str, int]:
    elements = 1
    if words and words[0] in ("v2", "v4"):
        elements, words = int(words[0][1]), words[1:]
    if len(words) != 1 or words[0] not in SIZES:
        raise low.unknown()
    need(low, statement, 2)
    return words[0], elements


def load_parameter(low: Lowering, statement: Statement, words: list[str]) -> None:
    kind, elements = _parameter_type(low, statement, words)
    address = low.address(statement.operands[1])
    rows = 2 if SIZES[kind] == 8 else 1
    names = vector(low, statement.operands[0], elements)
    for k, name in enumerate(names):
        target = _element(low, name, kind, load=True)
        at = address.offset + k * SIZES[kind]
        declared = address.variable
        if declared is None or declared.space != "param":
            # An address in a register: the block of parameters as the launch puts it into memory.
            low.emit("load", address.row, target, written=(1,), immediate=at, space=Space.CONSTANT,
                     bytes=SIZES[kind], sign_extend=kind[0] == "s", address_rows=address.rows)  # fmt: skip
            continue
        held = low.frame.parameters.get(declared.name)
        if held is not None:
            _from_words(low, held, at, kind, target)
            continue
        if declared.name not in low.parameters or at < 0 or at + SIZES[kind] > declared.size:
            raise low.refuse(f"byte {at} of parameter {declared.name}")
        source = low.file.parameter(low.parameters[declared.name] + at, rows, SIZES[kind], kind[0] == "s")
        low.emit("mov.b64" if rows == 2 else "mov.b32", target, source, written=(0,))


def _words(low: Lowering, held: Parameter, at: int, size: int) -> list[Virtual]:
    """The words that hold bytes `at` to `at + size`; what crosses words must begin at one."""
    if at < 0 or (at + size + 3) // 4 > len(held.words) or (at % 4 + size > 4 and at % 4):
        raise low.refuse(f"bytes {at} to {at + size} of a parameter of {4 * len(held.words)} bytes")
    return held.words[at // 4 : (at + size + 3) // 4]


def _from_words(low: Lowering, held: Parameter, at: int, kind: str, target: Operand) -> None:
    words = _words(low, held, at, SIZES[kind])
    if SIZES[kind] == 8:
        low.emit("join.b64", target, *words, written=(0,))
    elif SIZES[kind] == 4:
        low.emit("mov.b32", target, words[0], written=(0,))
    else:
        low.emit(
            f"bfe.{'s' if kind[0] == 's' else 'u'}32", target, words[0], low.file.constant(8 * (at % 4)),
            low.file.constant(8 * SIZES[kind]), written=(0,),
        )  # fmt: skip


def store_parameter(low: Lowering, statement: Statement, words: list[str]) -> None:
    kind, elements = _parameter_type(low, statement, words)
    address = low.address(statement.operands[0])
    declared = address.variable
    if declared is None or declared.space != "param":
        raise low.refuse("a parameter is stored through a register")
    held = parameter_of(low, declared.name, declared.size)
    for k, name in enumerate(vector(low, statement.operands[1], elements)):
        at = address.offset + k * SIZES[kind]
        source = _element(low, name, kind)
        into = _words(low, held, at, SIZES[kind])
        if SIZES[kind] == 8:
            low.emit("split.b64", *into, source, written=(0, 1))
        elif SIZES[kind] == 4:
            low.emit("mov.b32", into[0], source, written=(0,))
        else:
            low.emit(
                "bfi.b32", into[0], source, into[0], low.file.constant(8 * (at % 4)),
                low.file.constant(8 * SIZES[kind]), written=(0,),
            )  # fmt: skip
            # The old word is read too: a destination that is also a source.


def parameter_of(low: Lowering, name: str, size: int) -> Parameter:
    """The words of a `.param` variable of this frame."""
    return low.frame.parameters.setdefault(name, Parameter([Virtual(1) for _ in range(-(-size // 4))]))


ATOMICS = {
    "add": ("u32", "s32", "u64", "s64", "f32", "f64", "f16", "bf16", "f16x2", "bf16x2"),
    "min": ("u32", "s32", "u64", "s64", "f16x2", "bf16x2"),
    "max": ("u32", "s32", "u64", "s64", "f16x2", "bf16x2"),
    "and": ("b32", "b64"), "or": ("b32", "b64"), "xor": ("b32", "b64"),
    "inc": ("u32",), "dec": ("u32",), "exch": ("b32", "b64"), "cas": ("b16", "b32", "b64"),
}  # fmt: skip
"""Atomic operations and their types; the machine's form is `atomic.OPERATION.TYPE`."""


def atomic(low: Lowering, statement: Statement) -> None:
    base, *words = statement.opcode.split(".")
    space, order, scope, elements, left = split_modifiers(low, words)
    left = [word for word in left if word != "noftz"]
    if len(left) != 2 or elements != 1 or left[1] not in ATOMICS.get(left[0], ()):
        raise low.unknown()
    operation, kind = left
    operands = list(statement.operands)
    need(low, statement, {"atom": 3, "red": 2}[base] + (operation == "cas"))
    target: Operand = ABSENT
    if base == "atom":
        target = low.destination(operands.pop(0), kind, sink=True)
    address = low.address(operands[0])
    sources = [low.source(text, kind) for text in operands[1:]]
    if order == Order.WEAK:
        order = Order.RELAXED
    low.emit(
        f"atomic.{operation}.{kind}", address.row, target, *sources, written=(1,), order=order,
        scope=scope or Scope.DEVICE, bytes=SIZES[kind], **fields_of(low, space, address),
    )  # fmt: skip


def convert_address(low: Lowering, statement: Statement) -> None:
    """cvta: between a space's own addresses and generic ones."""
    words = statement.opcode.split(".")[1:]
    backwards = words[:1] == ["to"]
    words = words[1:] if backwards else words
    if (
        len(words) != 2
        or words[1] != "u64"
        or words[0] not in ("global", "shared", "shared::cta", "local", "const", "param")
    ):
        raise low.unknown()
    need(low, statement, 2)
    target, source = low.destination(statement.operands[0], "u64"), low.source(statement.operands[1], "u64")
    window = {"shared": SHARED_WINDOW, "shared::cta": SHARED_WINDOW, "local": LOCAL_WINDOW}.get(words[0])
    if window is None:
        low.emit("mov.b64", target, source, written=(0,))
    else:
        low.emit("sub.u64" if backwards else "add.u64", target, source, low.file.constant(window, 2), written=(0,))


def is_in_space(low: Lowering, statement: Statement) -> None:
    """isspacep: whether a generic address lies in a space."""
    space = statement.opcode.split(".")[1]
    need(low, statement, 2)
    target, source = low.predicate(statement.operands[0]), low.source(statement.operands[1], "u64")
    shared, local = Virtual(0), Virtual(0)

    def within(made: Virtual, window: int) -> None:
        away = Virtual(2)
        low.emit("sub.u64", away, source, low.file.constant(window, 2), written=(0,))
        low.emit("setp.lt.u64", made, ABSENT, away, low.file.constant(WINDOW_BYTES, 2), written=(0,))

    if space in ("shared", "shared::cta", "shared::cluster"):
        within(target, SHARED_WINDOW)
    elif space == "local":
        within(target, LOCAL_WINDOW)
    elif space == "global":
        within(shared, SHARED_WINDOW)
        within(local, LOCAL_WINDOW)
        either = Virtual(0)
        low.emit("or.pred", either, shared, local, written=(0,))
        low.emit("not.pred", target, either, written=(0,))
    else:
        raise low.unknown()


def move(low: Lowering, statement: Statement) -> None:
    """mov between a register and the parts of one: `mov.b64 %rd, {%r1, %r2}` and back."""
    need(low, statement, 2)
    kind = statement.opcode.split(".")[-1]
    if statement.opcode.count(".") != 1 or kind not in ("b32", "b64", "u32", "u64"):
        raise low.unknown()
    target, source = statement.operands
    if target.startswith("{") == source.startswith("{"):
        raise low.unknown()
    parts = split_operands((target if target.startswith("{") else source)[1:-1], statement.line)
    bits = width(kind) // len(parts) if len(parts) in (2, 4) else 0
    if bits not in (16, 32):
        raise low.unknown()
    part = f"b{bits}"
    if target.startswith("{"):
        whole = low.source(source, kind)
        made = [low.destination(p, part, sink=True) for p in parts]
        if bits == 32:
            low.emit("split.b64", *made, whole, written=(0, 1))
        elif len(parts) == 2:
            low.emit("unpack.b32", *made, whole, written=(0, 1))
        else:
            words = [Virtual(1), Virtual(1)]
            low.emit("split.b64", *words, whole, written=(0, 1))
            for k, word in enumerate(words):
                low.emit("unpack.b32", *made[2 * k : 2 * k + 2], word, written=(0, 1))
        return
    whole = low.destination(target, kind)
    sources = [low.source(p, part) for p in parts]
    if bits == 32:
        low.emit("join.b64", whole, *sources, written=(0,))
    elif len(parts) == 2:
        low.emit("pack.b32", whole, *sources, written=(0,))
    else:
        words = [Virtual(1), Virtual(1)]
        for k, word in enumerate(words):
            low.emit("pack.b32", word, *sources[2 * k : 2 * k + 2], written=(0,))
        low.emit("join.b64", whole, *words, written=(0,))
