"""What a launch must know of a kernel, out of its cubin: the ELF sections that the compiler wrote for the driver."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from workbench.arguments import check_constant
from workbench.foreign import reading
from workbench.problem import Problem, unknown

# Attributes of .nv.info (EIATTR), by number.
PARAMETER_BANK, FRAME_SIZE, STACK_SIZE, PARAMETER, REGISTERS = 0x0A, 0x11, 0x12, 0x17, 0x2F
NO_BITS, RELOCATIONS = 8, 4
ABSOLUTE_64 = 2
"""The relocation that puts an address of 64 bits into a constant bank."""

MOST_SHARED, MOST_LOCAL, MOST_VARIABLES = 256 << 10, 512 << 10, 1 << 30
"""Bytes per block, and per thread, that no GPU exceeds; bytes of a module's variables that are simulated."""

GLOBALS_ADDRESS = 0x7E80_0000_0000
"""Where a module's own variables lie, as the kernel sees it."""


@dataclass(frozen=True)
class Global:
    """A section of the module's own variables."""

    name: str
    address: int
    content: bytes


@dataclass(frozen=True)
class KernelFacts:
    """One kernel of a cubin."""

    name: str
    arch: str
    registers: int
    code_bytes: int
    parameter_base: int
    """Where the parameters begin in constant bank 0."""
    parameter_bytes: int
    parameters: tuple[tuple[int, int], ...]
    """Byte offset and size of each, in order."""
    static_shared: int
    """Bytes, those included that the system reserves at the front."""
    reserved_shared: int
    local_bytes: int
    """Per thread: stack frame and what its calls need."""
    constants: dict[int, bytes] = field(default_factory=dict)
    """Bank → content, for banks 2, 3 and 4."""
    variables: dict[str, tuple[int, int]] = field(default_factory=dict)
    """`__constant__` variable → where it begins in bank 3, and its bytes."""
    globals: tuple[Global, ...] = ()

    @property
    def generation(self) -> int:
        """90 of sm_90."""
        return int(self.arch.removeprefix("sm_"))


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    offset: int
    size: int
    info: int


def kernels_of(path: Path) -> dict[str, KernelFacts]:
    """Every kernel. Raises Problem for what is no cubin, or is cut short."""
    with reading(path, "not a cubin", "compile it again, or take it out of its report again"):
        return _Elf(path.read_bytes()).kernels()


def loaded_code(path: Path) -> dict[str, tuple[str, bytes]]:
    """Kernel → architecture and code, where the ELF is one that a driver has loaded; empty for one as compiled. Older
    drivers write a kernel's address on the device into its symbol, and nvdisasm then does not find the code."""
    with reading(path, "not a cubin", "compile it again, or take it out of its report again"):
        return _Elf(path.read_bytes()).loaded_code()


def kernel_of(path: Path, name: str | None) -> KernelFacts:
    """The named kernel, or the only one. Raises Problem."""
    found = kernels_of(path)
    if name is None:
        if len(found) != 1:
            raise Problem(f"{path}: holds {len(found)} kernels, name one: {', '.join(sorted(found))}")
        return next(iter(found.values()))
    if name not in found:
        raise unknown("kernel", name, found)
    return found[name]


def with_constants(facts: KernelFacts, constants: Iterable[tuple[str, bytes]]) -> KernelFacts:
    """The kernel as it is once these variables of constant memory hold this. Raises Problem for what does not fit."""
    bank = bytearray(facts.constants.get(3, b""))
    for name, content in constants:
        at, size = facts.variables.get(name, (0, None))
        check_constant(name, content, size)
        bank[at : at + len(content)] = content
    return replace(facts, constants={**facts.constants, 3: bytes(bank)}) if bank else facts


class _Elf:
    def __init__(self, data: bytes) -> None:
        if data[:5] != b"\x7fELF\x02" or struct.unpack_from("<H", data, 18)[0] != 190:
            raise ValueError("no ELF file of a CUDA device")
        self._data = data
        (table,) = struct.unpack_from("<Q", data, 0x28)
        size, count, names_at = struct.unpack_from("<HHH", data, 0x3A)
        programs = struct.unpack_from("<Q", data, 0x20)[0]
        program_size, programs_count = struct.unpack_from("<HH", data, 0x36)
        if max(table + size * count, programs + program_size * programs_count) > len(data):
            raise ValueError("it ends before its tables do")
        raw = [struct.unpack_from("<IIQQQQIIQQ", data, table + k * size) for k in range(count)]
        names = self._slice(raw[names_at][4], raw[names_at][5])
        self.sections = [_Section(names[r[0] : names.index(b"\0", r[0])].decode(), r[1], r[4], r[5], r[7]) for r in raw]
        flags = struct.unpack_from("<I", data, 0x30)[0]
        # Since ELF ABI 8 the architecture stands in bits 8 to 15.
        self.arch = f"sm_{flags >> 8 & 0xFF if data[8] >= 8 else flags & 0xFF}"
        self._symbols = self._read_symbols()

    def _slice(self, offset: int, size: int) -> bytes:
        found = self._data[offset : offset + size]
        if len(found) != size:
            raise ValueError("it ends before its sections do")
        return found

    def _content(self, section: _Section) -> bytes:
        if section.kind == NO_BITS and section.size > MOST_VARIABLES:
            raise ValueError(f"{section.name} is larger than what is simulated")
        return bytes(section.size) if section.kind == NO_BITS else self._slice(section.offset, section.size)

    def _named(self, name: str) -> _Section | None:
        return next((section for section in self.sections if section.name == name), None)

    def _read_symbols(self) -> list[tuple[str, int, int, int]]:
        """(name, section, value, size) of each symbol."""
        table, strings = self._named(".symtab"), self._named(".strtab")
        if table is None or strings is None:
            return []
        names, found = self._content(strings), []
        for at in range(0, table.size - 23, 24):
            name, _, _, section, value, size = struct.unpack_from("<IBBHQQ", self._content(table), at)
            found.append((names[name : names.index(b"\0", name)].decode(), section, value, size))
        return found

    def _attributes(self, section: _Section) -> list[tuple[int, bytes | int]]:
        """(attribute, value) of an .nv.info section: a number of 8 or 16 bits, or so many bytes."""
        data, at = self._content(section), 0
        found: list[tuple[int, bytes | int]] = []
        while at + 4 <= len(data):
            form, attribute, value = struct.unpack_from("<BBH", data, at)
            at += 4
            if form == 4:
                if at + value > len(data):
                    raise ValueError(f"{section.name} ends inside an attribute")
                found.append((attribute, data[at : at + value]))
                at += value
            else:
                found.append((attribute, value & 0xFF if form == 2 else value))
        return found

    def kernels(self) -> dict[str, KernelFacts]:
        module: dict[tuple[int, str], int] = {}
        shared_info = self._named(".nv.info")
        for attribute, value in self._attributes(shared_info) if shared_info else []:
            if isinstance(value, bytes) and len(value) == 8 and attribute in (REGISTERS, FRAME_SIZE, STACK_SIZE):
                symbol, number = struct.unpack("<II", value)
                module[attribute, self._symbols[symbol][0]] = number
        variables = self._globals()
        found = {}
        for section in self.sections:
            name = section.name.removeprefix(".text.")
            info = self._named(f".nv.info.{name}")
            if name == section.name or info is None:
                continue
            found[name] = self._kernel(name, section, info, module, variables)
        if not found:
            raise ValueError("no kernel in it")
        return found

    def loaded_code(self) -> dict[str, tuple[str, bytes]]:
        code = {k: s for k, s in enumerate(self.sections) if s.name.startswith(".text.")}
        if all(value < code[home].size for _, home, value, size in self._symbols if size and home in code):
            return {}
        return {s.name.removeprefix(".text."): (self.arch, self._content(s)) for s in code.values()}

    def _kernel(
        self, name: str, code: _Section, info: _Section, module: dict[tuple[int, str], int],
        variables: dict[int, Global],
    ) -> KernelFacts:  # fmt: skip
        base, total = 0, 0
        parameters: dict[int, tuple[int, int]] = {}
        for attribute, value in self._attributes(info):
            if not isinstance(value, bytes):
                continue
            if attribute == PARAMETER_BANK:
                _, base, total = struct.unpack("<IHH", value)
            elif attribute == PARAMETER:
                _, ordinal, offset, flags = struct.unpack("<IHHI", value)
                parameters[ordinal] = (offset, flags >> 18 & 0x3FFF)
        shared = self._named(f".nv.shared.{name}")
        local = max(module.get((FRAME_SIZE, name), 0), module.get((STACK_SIZE, name), 0))
        if (shared and shared.size > MOST_SHARED) or local > MOST_LOCAL:
            raise ValueError(f"kernel {name} wants more shared or local memory than any GPU has")
        reserved = 0x400 if self._named(".nv.shared.reserved.0") is not None else 0
        banks = {}
        for bank, title in ((2, f".nv.constant2.{name}"), (3, ".nv.constant3"), (4, ".nv.constant4")):
            section = self._named(title)
            if section is not None:
                banks[bank] = self._relocated(section, variables)
        return KernelFacts(
            name, self.arch, module.get((REGISTERS, name), 255), code.size, base, total,
            tuple(parameters[k] for k in sorted(parameters)), max(shared.size if shared else 0, reserved), reserved,
            local, banks, self._constants(), tuple(variables.values()),
        )  # fmt: skip

    def _globals(self) -> dict[int, Global]:
        """The module's own variables, by the number of their section."""
        found, address = {}, GLOBALS_ADDRESS
        for number, section in enumerate(self.sections):
            if section.name in (".nv.global", ".nv.global.init") and section.size:
                found[number] = Global(section.name, address, self._content(section))
                address += -(-(section.size + 4096) // 256) * 256
        return found

    def _constants(self) -> dict[str, tuple[int, int]]:
        return {
            name: (value, size)
            for name, home, value, size in self._symbols
            if size and home < len(self.sections) and self.sections[home].name == ".nv.constant3"
        }

    def _relocated(self, section: _Section, variables: dict[int, Global]) -> bytes:
        """The content with the addresses of variables put in."""
        content = bytearray(self._content(section))
        table = self._named(f".rela{section.name}")
        for at in range(0, table.size - 23 if table else 0, 24):
            assert table is not None
            offset, info, addend = struct.unpack_from("<QQq", self._content(table), at)
            _, home, value, _ = self._symbols[info >> 32]
            if info & 0xFFFFFFFF != ABSOLUTE_64 or home not in variables or offset + 8 > len(content):
                continue  # a function's address: a jump through it is refused when it happens
            struct.pack_into("<Q", content, offset, variables[home].address + value + addend)
        return bytes(content)
