"""Statements of a kernel → drafts for the machine: names become registers, rows and addresses."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.problem import Problem
from workbench.simulate.program import ABSENT, File, Special
from workbench.simulate.ptx.draft import Draft, Operand, Place, Virtual
from workbench.simulate.ptx.forms import FORMS, Form, width
from workbench.simulate.ptx.reader import SIZES, Declared, Function, Label, Scope, Statement, Text, refuse

SPECIALS = {
    **{f"%{name}.{axis}": Special[f"{what}_{axis.upper()}"]
       for name, what in (("tid", "THREAD"), ("ntid", "THREADS"), ("ctaid", "BLOCK"), ("nctaid", "BLOCKS"))
       for axis in "xyz"},
    "%laneid": Special.LANE, "%warpid": Special.WARP, "%nwarpid": Special.WARPS, "%smid": Special.MULTIPROCESSOR,
    "%lanemask_lt": Special.LANES_BELOW, "%lanemask_le": Special.LANES_UP_TO, "%lanemask_gt": Special.LANES_ABOVE,
    "%lanemask_ge": Special.LANES_FROM, "%lanemask_eq": Special.LANE_BIT, "%gridid": Special.GRID_ID,
    "%total_smem_size": Special.SHARED_BYTES,
}  # fmt: skip
CONSTANT_REGISTERS = {
    "WARP_SZ": 32, "%tid.w": 0, "%ntid.w": 1, "%ctaid.w": 0, "%nctaid.w": 1, "%is_explicit_cluster": 0,
    "%cluster_ctarank": 0, "%cluster_nctarank": 1,
    **{f"%{name}.{axis}": value for name, value in (("cluster_ctaid", 0), ("cluster_nctaid", 1)) for axis in "xyz"},
}  # fmt: skip
"""A launch without clusters is one of clusters of one block."""
CLOCKS = ("%clock", "%clock64", "%globaltimer", "%globaltimer_lo")
LONGEST = 2_000_000
"""Instructions of a kernel with all that it calls."""

_NUMBER = re.compile(r"(-?)(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)U?$")
_ADDRESS = re.compile(r"\[\s*([\w$%]+)\s*(?:([+-])\s*(-?\w+)\s*)?\]$")


@dataclass
class Parameter:
    """A `.param` variable of a call: words that the caller writes and the callee reads, or the other way."""

    words: list[Virtual]


@dataclass(eq=False)
class Frame:
    """A function's body where it is called: each call has registers, labels and local variables of its own."""

    function: Function
    caller: Frame | None = None
    parameters: dict[str, Parameter] = field(default_factory=dict)
    registers: dict[tuple[Scope, str], Virtual] = field(default_factory=dict)
    found: dict[tuple[Scope, str], tuple[Virtual, str] | None] = field(default_factory=dict)
    """What a name was found to be from a scope: most stand in many instructions."""
    places: dict[Label, Place] = field(default_factory=dict)
    local: dict[int, int] = field(default_factory=dict)
    end: Place = field(default_factory=Place)
    carry: Virtual = field(default_factory=lambda: Virtual(0))

    @property
    def depth(self) -> int:
        return 0 if self.caller is None else self.caller.depth + 1


@dataclass(frozen=True)
class Address:
    """Of a memory operand: a row (ABSENT: none) plus a number of bytes."""

    row: Operand
    offset: int
    rows: int
    variable: Declared | None = None


class Lowering:
    """One kernel on its way to the machine."""

    def __init__(self, text: Text, kernel: Function, shared: dict[str, int], parameters: dict[str, int]) -> None:
        self.text = text
        self.kernel = kernel
        self.file = File()
        self.drafts: list[Draft] = []
        self.shared = shared
        """Offsets of the variables in shared memory."""
        self.parameters = parameters
        """Offsets of the kernel's parameters."""
        self.variables: dict[str, int] = {}
        """Module variables by the offset of their address behind the parameters."""
        self.first_variable = 0
        self.local_bytes = 0
        self.notes: list[str] = []
        self.frame = Frame(kernel)
        self.statement: Statement | None = None

    # ---- refusals

    def refuse(self, what: str) -> Problem:
        line = self.statement.line if self.statement else self.kernel.line
        return refuse(line, what)

    def unknown(self) -> Problem:
        assert self.statement is not None
        return self.refuse(f"form {self.statement.opcode} is not simulated")

    # ---- emitting

    def emit(self, form: str | None, *operands: Operand, written: tuple[int, ...] = (), **fields: Any) -> Draft:
        """Adds an instruction under the statement's guard."""
        statement = self.statement
        assert statement is not None
        draft = Draft(form, list(operands), written)
        draft.text, draft.line, draft.file = statement.text, statement.source_line, statement.source_file
        draft.address = statement.line
        if statement.guard:
            draft.guard, draft.guard_negated = self.predicate(statement.guard), statement.guard_negated
        for name, value in fields.items():
            setattr(draft, name, value)
        self.drafts.append(draft)
        if len(self.drafts) > LONGEST:
            raise self.refuse(f"more than {LONGEST} instructions with all that is called")
        return draft

    def body(self, frame: Frame, lowerings: Mapping[str, Callable[[Lowering, Statement], None]]) -> None:
        """Lowers a function's statements in a frame."""
        outer, self.frame = self.frame, frame
        for item in frame.function.body or []:
            if isinstance(item, Label):
                self.place(item).index = len(self.drafts)
                continue
            self.statement = item
            form = FORMS.get(item.opcode)
            if form is not None and not any("{" in operand for operand in item.operands):
                self.arithmetic(item, form)
            else:
                lower = lowerings.get(item.opcode.split(".")[0])
                if lower is None:
                    raise self.unknown()
                try:
                    lower(self, item)
                except (IndexError, KeyError, ValueError) as error:  # an opcode without its modifiers
                    raise self.unknown() from error
        frame.end.index = len(self.drafts)
        self.frame = outer

    def arithmetic(self, statement: Statement, form: Form) -> None:
        """An instruction of the table: registers and numbers alone."""
        given = list(statement.operands)
        wanted = [kind for kind in form.operands if kind != "c"]
        if len(given) != len(wanted):
            raise self.refuse(f"{statement.opcode} has {len(wanted)} operands, not {len(given)}")
        made: list[Operand] = []
        written: list[int] = []
        immediate = form.immediate
        variant = form.variant
        for kind in form.operands:
            if kind == "c":
                made.append(self.frame.carry)
                continue
            text = given.pop(0)
            if kind == ">p|":
                for name in (*text.split("|"), "_")[:2]:
                    written.append(len(made))
                    made.append(ABSENT if name.strip() == "_" else self.predicate(name.strip()))
            elif kind == ">p":
                written.append(len(made))
                made.append(self.predicate(text))
            elif kind == "<p":
                made.append(self.predicate_source(text))
            elif kind == "#":
                variant = self.number(text)
                if not 0 <= variant < 256:
                    raise self.refuse(f"{text} is no table of three inputs")
            elif kind[0] == ">":
                written.append(len(made))
                made.append(self.destination(text, kind[1:]))
            else:
                made.append(self.source(text, kind[1:]))
        if form.operands and form.operands[-1] == "c" and ".cc" in statement.opcode:
            written.append(len(made) - 1)
        if form.order:
            places = {old: new for new, old in enumerate(form.order) if old >= 0}
            made = [ABSENT if k < 0 else made[k] for k in form.order]
            written = [places[k] for k in written]
        self.emit(form.machine, *made, written=tuple(written), immediate=immediate, variant=variant)

    # ---- operands

    def place(self, label: Label) -> Place:
        return self.frame.places.setdefault(label, Place())

    def target(self, name: str) -> Place:
        """Where a branch to a label goes."""
        assert self.statement is not None
        scope: Scope | None = self.statement.scope
        while scope is not None:
            if name in scope.labels:
                return self.place(scope.labels[name])
            scope = scope.parent
        raise self.refuse(f"no label {name} can be seen from here")

    def register(self, name: str) -> tuple[Virtual, str] | None:
        """A register and its type; None where the name is none."""
        assert self.statement is not None
        place = (self.statement.scope, name)
        if place not in self.frame.found:
            self.frame.found[place] = self._register(*place)
        return self.frame.found[place]

    def _register(self, inner: Scope, name: str) -> tuple[Virtual, str] | None:
        scope: Scope | None = inner
        while scope is not None:
            kind = scope.register_type(name)
            if kind is not None:
                rows = 0 if kind == "pred" else 2 if SIZES[kind] == 8 else 1
                return self.frame.registers.setdefault((scope, name), Virtual(rows)), kind
            scope = scope.parent
        return None

    def variable(self, name: str) -> Declared | None:
        assert self.statement is not None
        scope: Scope | None = self.statement.scope
        while scope is not None:
            if name in scope.variables:
                return scope.variables[name]
            scope = scope.parent
        return self.text.variables.get(name)

    def predicate(self, name: str) -> Virtual:
        found = self.register(name)
        if found is None or found[0].rows != 0:
            raise self.refuse(f"{name} is no predicate")
        return found[0]

    def predicate_source(self, text: str) -> Operand:
        """A predicate, negated or not, or a number that stands for one."""
        if text.startswith("!"):
            held = Virtual(0)
            self.emit("not.pred", held, self.predicate(text[1:].strip()), written=(0,))
            return held
        if _NUMBER.match(text):
            return self.file.predicate_constant(self.number(text) != 0)
        return self.predicate(text)

    def destination(self, text: str, kind: str, sink: bool = False) -> Operand:
        """A register of the type's width; `_` where nothing is wanted."""
        if text == "_" and sink:
            return ABSENT
        found = self.register(text)
        if found is None:
            raise self.refuse(f"{text} is no register")
        self._check_width(text, found, kind)
        return found[0]

    def _check_width(self, text: str, found: tuple[Virtual, str], kind: str) -> None:
        if found[0].rows != (2 if width(kind) == 64 else 1):
            raise self.refuse(f"{text} is a register of type .{found[1]} where .{kind} is wanted")
        if width(kind) == 32 and SIZES[found[1]] < 4:
            raise self.refuse(f"{text} is a register of type .{found[1]} where .{kind} is wanted")

    def source(self, text: str, kind: str) -> Operand:
        """A register, a number, a special register, or the address of a variable."""
        found = self.register(text)
        if found is not None:
            self._check_width(text, found, kind)
            return found[0]
        rows = 2 if width(kind) == 64 else 1
        if text in SPECIALS:
            special = self.file.special(SPECIALS[text])
            if rows == 1:
                return special
            wide = Virtual(2)
            self.emit("widen.u32", wide, special, written=(0,))
            return wide
        if text in CLOCKS:
            now = Virtual(rows)
            self.emit(f"clock.b{32 * rows}", now, written=(0,))
            return now
        if text in CONSTANT_REGISTERS:
            return self.file.constant(CONSTANT_REGISTERS[text], rows)
        if text[:1].isdigit() or text[:1] == "-":
            return self.file.constant(self.literal(text, kind), rows)
        if text.startswith("%"):
            raise self.refuse(f"register {text} is not declared, or not simulated")
        return self.symbol(text, rows)

    def number(self, text: str) -> int:
        found = _NUMBER.match(text)
        if found is None:
            raise self.refuse(f"`{text}` is no number")
        digits = found[2]
        octal = len(digits) > 1 and digits[0] == "0" and digits.isdecimal()
        try:
            value = int(digits, 8 if octal else 0)
        except ValueError:
            raise self.refuse(f"`{text}` is no number") from None
        return -value if found[1] else value

    def literal(self, text: str, kind: str) -> int:
        """A number's bits."""
        floating = re.fullmatch(r"(-?)0[fFdD]([0-9a-fA-F]{8}|[0-9a-fA-F]{16})", text)
        if floating:
            value = int(floating[2], 16)
            if len(floating[2]) == 16 and width(kind) == 32:
                try:
                    value = struct.unpack("<I", struct.pack("<f", struct.unpack("<d", struct.pack("<Q", value))[0]))[0]
                except OverflowError:
                    raise self.refuse(f"{text} does not fit into .{kind}") from None
            elif len(floating[2]) == 8 and width(kind) == 64:
                value = struct.unpack("<Q", struct.pack("<d", struct.unpack("<f", struct.pack("<I", value))[0]))[0]
            return value ^ (1 << (width(kind) - 1)) if floating[1] else value
        if re.fullmatch(r"-?\d+\.\d*(?:[eE][+-]?\d+)?", text) and kind in ("f32", "f64"):
            return int.from_bytes(struct.pack("<f" if kind == "f32" else "<d", float(text)), "little")
        return self.number(text)

    def symbol(self, text: str, rows: int) -> Operand:
        """The address of a variable, in its own space."""
        found = re.fullmatch(r"([\w$]+)\s*(?:\+\s*(\w+))?", text)
        declared = self.variable(found[1]) if found else None
        if found is None or declared is None:
            raise self.refuse(f"operand `{text}` is not simulated")
        offset = self.number(found[2]) if found[2] else 0
        if declared.space == "shared":
            return self.file.constant(self.shared[declared.name] + offset, rows)
        if declared.space == "local":
            return self.file.constant(self.local_offset(declared) + offset, rows)
        if rows != 2:
            raise self.refuse(f"the address of {declared.name} in 32 bits")
        if declared.space == "param":
            if declared.name not in self.parameters or self.frame.caller is not None:
                raise self.refuse(f"the address of parameter {declared.name}")
            offset += self.parameters[declared.name]
            base = self.address_row(PARAMETERS)
        else:
            base = self.address_row(declared.name)
        if offset == 0:
            return base
        moved = Virtual(2)
        self.emit("add.u64", moved, base, self.file.constant(offset, 2), written=(0,))
        return moved

    def address_row(self, name: str) -> int:
        """A pair of rows with the address of a module variable, which the launch puts behind the parameters."""
        slot = self.variables.setdefault(name, self.first_variable + 8 * len(self.variables))
        return self.file.parameter(slot, 2)

    def local_offset(self, declared: Declared) -> int:
        """Where a local variable of this call lies."""
        if id(declared) not in self.frame.local:
            at = -(-self.local_bytes // declared.align) * declared.align
            self.frame.local[id(declared)] = at
            self.local_bytes = at + declared.size
            if self.local_bytes > 512 * 1024:
                raise self.refuse(f"{self.local_bytes} bytes of local memory per thread")
        return self.frame.local[id(declared)]

    def address(self, text: str) -> Address:
        """The parts of `[register + number]`, `[variable + number]` or `[number]`."""
        found = _ADDRESS.match(text)
        if found is None:
            raise self.refuse(f"address `{text}` is not simulated")
        offset = self.number(found[3]) if found[3] else 0
        if found[2] == "-":
            offset = -offset
        register = self.register(found[1])
        if register is not None:
            if register[0].rows == 0 or SIZES[register[1]] < 4:
                raise self.refuse(f"{found[1]} is a register of type .{register[1]}, no address")
            return Address(register[0], offset, register[0].rows)
        if _NUMBER.match(found[1]):
            return Address(ABSENT, self.number(found[1]) + offset, 2)
        declared = self.variable(found[1])
        if declared is None:
            raise self.refuse(f"address `{text}` is not simulated")
        if declared.space == "shared":
            return Address(ABSENT, self.shared[declared.name] + offset, 1, declared)
        if declared.space == "local":
            return Address(ABSENT, self.local_offset(declared) + offset, 2, declared)
        if declared.space == "param":
            return Address(ABSENT, offset, 2, declared)
        return Address(self.address_row(declared.name), offset, 2, declared)


PARAMETERS = "(parameters)"
"""The name under which the parameter block itself is a variable: some kernels index it."""
