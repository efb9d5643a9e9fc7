"""A module of PTX, and its kernels as programs of the machine."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workbench.problem import Problem, unknown
from workbench.simulate.program import Flow, Program
from workbench.simulate.ptx.compared import relax
from workbench.simulate.ptx.draft import Draft, assemble
from workbench.simulate.ptx.flow import LOWERINGS
from workbench.simulate.ptx.lower import Lowering
from workbench.simulate.ptx.reader import SIZES, Declared, Function, Statement, Text, read_text, refuse

_WORD = re.compile(r"[A-Za-z_$%][\w$%]*")


@dataclass(frozen=True)
class Variable:
    """A `.global` or `.const` variable of a module, as it stands before the first launch."""

    name: str
    size: int
    align: int
    writable: bool
    initial: str
    kind: str
    line: int

    def contents(self, address_of: Callable[[str], int]) -> bytes:
        """Its bytes; `address_of` gives the addresses of other variables that its initialiser names."""
        data = bytearray(self.size)
        size = SIZES[self.kind]
        values = _listed(self.initial)
        if len(values) * size > self.size:
            raise refuse(self.line, f"{self.name} has more values than room")
        for k, value in enumerate(values):
            data[k * size : (k + 1) * size] = self._bits(value, address_of).to_bytes(size, "little")
        return bytes(data)

    def _bits(self, text: str, address_of: Callable[[str], int]) -> int:
        size = SIZES[self.kind]
        ones = (1 << 8 * size) - 1
        if found := re.fullmatch(r"0[fFdD]([0-9a-fA-F]{8}|[0-9a-fA-F]{16})", text):
            return int(found[1], 16) & ones
        if re.fullmatch(r"-?(?:0[xX][0-9a-fA-F]+|\d+)U?", text):
            return int(text.rstrip("U"), 0) & ones
        if self.kind in ("f32", "f64") and re.fullmatch(r"-?\d+\.\d*(?:[eE][+-]?\d+)?", text):
            return int.from_bytes(struct.pack("<f" if self.kind == "f32" else "<d", float(text)), "little")
        if found := re.fullmatch(r"(?:generic\(\s*)?([A-Za-z_$%][\w$%]*)\s*\)?\s*(?:\+\s*(\d+))?", text):
            return (address_of(found[1]) + int(found[2] or 0)) & ones
        raise refuse(self.line, f"the value `{text[:40]}` of {self.name} is not simulated")


def _listed(text: str) -> list[str]:
    """The values of an initialiser, nested braces laid flat."""
    return [part.strip() for part in re.sub(r"[{}]", " ", text).split(",") if part.strip()]


class Module:
    """PTX, read once; kernels are lowered as they are asked for."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._programs: dict[str, Program] = {}

    @property
    def kernels(self) -> list[str]:
        return [name for name, function in self._text.functions.items() if function.entry and function.body is not None]

    def has_function(self, name: str) -> bool:
        return name in self._text.functions

    def variables(self) -> list[Variable]:
        """What has to be in memory before the first launch."""
        return [
            Variable(d.name, d.size, d.align, d.space == "global", d.initial, d.kind, d.line)
            for d in self._text.variables.values()
            if d.space in ("global", "const") and not d.external
        ]

    def program(self, name: str) -> Program:
        """A kernel as a program. Raises Problem `kernel K: PTX line N: …` for what is not simulated."""
        if name not in self._programs:
            function = self._text.functions.get(name)
            if function is None or not function.entry or function.body is None:
                raise unknown("kernel", name, self.kernels)
            try:
                self._programs[name] = _program(self._text, function)
            except Problem as problem:
                raise Problem(f"kernel {name}: {problem}") from problem
        return self._programs[name]


def read_module(text: str) -> Module:
    """Reads PTX. Raises Problem with the line of what cannot be read."""
    return Module(read_text(text))


def _program(text: Text, function: Function) -> Program:
    parameters, end = _parameters(function)
    shared, static = _shared(text, function)
    offsets = {d.name: at for d, (at, _) in zip(function.parameters, parameters, strict=True)}
    lowering = Lowering(text, function, shared, offsets)
    lowering.first_variable = -(-end // 8) * 8
    lowering.body(lowering.frame, LOWERINGS)
    drafts = [*lowering.drafts, Draft(None, flow=Flow.EXIT, text="(end)")]
    relax(drafts)
    lost = next((d for d in drafts if d.target is not None and not 0 <= d.target.index < len(drafts)), None)
    if lost is not None:
        raise refuse(lost.address, "a branch to a label of another function")
    return Program(
        function.name, assemble(drafts, lowering.file), lowering.file, parameters=tuple(parameters),
        parameter_kinds=tuple(d.kind for d in function.parameters), parameter_bytes=end,
        static_shared=static, local_bytes=-(-lowering.local_bytes // 16) * 16,
        merge_at_equal_pc=True, lowest_pc_first=True, files=text.files, variables=tuple(lowering.variables),
        notes=tuple(lowering.notes), generation=generation_of(text.target),
    )  # fmt: skip


def generation_of(target: str) -> int:
    """90 of `sm_90a`; 0 where the text has no such target."""
    found = re.fullmatch(r"sm_(\d+)[af]?", target)
    return int(found[1]) if found else 0


def _parameters(function: Function) -> tuple[list[tuple[int, int]], int]:
    """(offset, size) of each parameter, and where the block ends."""
    found, end = [], 0
    for declared in function.parameters:
        if declared.size == 0 or declared.size > 32 * 1024:
            raise refuse(declared.line, f"parameter {declared.name} of {declared.size} bytes")
        end = -(-end // declared.align) * declared.align
        found.append((end, declared.size))
        end += declared.size
    return found, end


def _shared(text: Text, kernel: Function) -> tuple[dict[str, int], int]:
    """Where each variable in shared memory lies: those that the kernel or what it calls names, then the open ones."""
    used: dict[str, Declared] = {}
    for function in _called(text, kernel):
        for item in function.body or []:
            if not isinstance(item, Statement):
                continue
            for word in _WORD.findall(" ".join(item.operands)):
                scope = item.scope
                declared = None
                while declared is None and scope is not None:
                    declared, scope = scope.variables.get(word), scope.parent  # type: ignore[assignment]
                declared = declared or text.variables.get(word)
                if declared is not None and declared.space == "shared":
                    used[word] = declared
    order = {name: k for k, name in enumerate(text.variables)}
    fixed = sorted((d for d in used.values() if d.size), key=lambda d: (order.get(d.name, len(order)), d.line))
    offsets: dict[str, int] = {}
    end = 0
    for declared in fixed:
        end = -(-end // declared.align) * declared.align
        offsets[declared.name] = end
        end += declared.size
    if end > 256 * 1024:
        raise refuse(kernel.line, f"{end} bytes of shared memory")
    for declared in used.values():
        if declared.size == 0:
            align = max(16, declared.align)
            end = -(-end // align) * align
    return {**offsets, **{d.name: end for d in used.values() if d.size == 0}}, end


def _called(text: Text, kernel: Function) -> Iterator[Function]:
    """The kernel and every function that it calls, each once."""
    seen, waiting = {kernel.name}, [kernel]
    while waiting:
        function = waiting.pop()
        yield function
        for item in function.body or []:
            if isinstance(item, Statement) and item.opcode.startswith("call"):
                for word in _WORD.findall(" ".join(item.operands)):
                    callee = text.functions.get(word)
                    if callee is not None and word not in seen:
                        seen.add(word)
                        waiting.append(callee)
