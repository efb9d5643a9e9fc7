"""nvdisasm's text (`nvdisasm -c -hex -g`) → the lines of each kernel; what the grammar does not hold is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from workbench.compile import cache
from workbench.compile.toolkit import run_tool, wheel_version
from workbench.problem import Problem
from workbench.simulate.sass.cubin import loaded_code
from workbench.simulate.sass.operands import Operand, UnknownOperand, parse_operand
from workbench.temporary import temporary_folder


@dataclass(frozen=True)
class Control:
    """What the compiler tells the scheduler: bits 41 to 61 of an instruction's high word."""

    stall: int
    """Cycles until the warp's next instruction may be issued."""
    yields: bool
    write_barrier: int
    """The counter that the result releases; 7: none."""
    read_barrier: int
    """The counter that is released when the sources have been read; 7: none."""
    wait: int
    """A mask of counters to be waited for."""


@dataclass(frozen=True)
class Line:
    """One instruction."""

    address: int
    text: str
    guard: Operand | None
    opcode: str
    """With its modifiers: `IMAD.WIDE.U32`."""
    operands: tuple[Operand, ...]
    encoding: int
    """128 bits."""
    source_file: str = ""
    source_line: int = 0
    unknown: str = ""
    """The operand that the grammar does not hold."""

    @property
    def base(self) -> str:
        return self.opcode.partition(".")[0]

    @property
    def modifiers(self) -> tuple[str, ...]:
        return tuple(self.opcode.split(".")[1:])

    @property
    def control(self) -> Control:
        bits = self.encoding >> 105 & 0x1FFFFF
        return Control(bits & 15, not bits >> 4 & 1, bits >> 5 & 7, bits >> 8 & 7, bits >> 11 & 63)

    @property
    def immediate(self) -> int:
        """The 32 bits that hold an immediate, where the instruction has one."""
        return self.encoding >> 32 & 0xFFFFFFFF


@dataclass
class Section:
    """The code of one kernel, and what its labels stand for."""

    name: str
    lines: list[Line] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    """Name → address; the kernel's own name is a label too."""


_SECTION = re.compile(r"//-+ \.text\.(\S+)\s+-+$")
_SOURCE = re.compile(r'//## File "([^"]*)", line (\d+)')
_LABEL = re.compile(r"([\w.$@]+):$")
_INSTRUCTION = re.compile(
    r"/\*([0-9a-f]{4,})\*/\s+(?:@(!?U?P[\dT])\s+)?([A-Z][\w.]*)\s*(.*?)\s*;\s*/\* (0x[0-9a-f]{16}) \*/$"
)
_INSTRUCTION_ADDRESS = re.compile(r"\s*/\*([0-9a-f]{4,})\*/")
_JUMP = re.compile(r"(\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P[\dT]\s+)?(?:BRA|BSSY|CALL|RET)\b[^;]*?)(0x[0-9a-f]+)(\s*;.*)$")
"""A jump to an address, which stands last."""
_HIGH = re.compile(r"/\* (0x[0-9a-f]{16}) \*/$")
_DIRECTIVE = re.compile(r"\.[a-z]\w*\s|\.[a-z]\w*$")
_REMARK = re.compile(r'\(\*"(?:BRANCH_TARGETS|CALL_TARGETS|SpillRefill)[^"]*"\*\)')
"""What nvdisasm adds to an instruction: where a jump may lead, that an access is a spill."""


def disassembled(cubin: Path) -> str:
    """What nvdisasm prints of a cubin: asked once (its start costs half a second), then out of the build cache. Raises
    Problem."""
    options = ("-c", "-hex", "-g")
    key = cache.digest(["nvdisasm", wheel_version("nvidia-cuda-nvdisasm"), repr(options), cubin.read_bytes()])
    stored = cache.entry(key, ".nvdisasm.txt")
    printed = cache.read_text(stored)
    if printed is None:
        loaded = loaded_code(cubin)
        printed = _bare(loaded) if loaded else run_tool("nvdisasm", *options, str(cubin))
        cache.write_text(stored, printed)
    return printed


def _bare(kernels: dict[str, tuple[str, bytes]]) -> str:
    """The text of code without an ELF around it, with labels where it has addresses; it names no source lines."""
    text = []
    with temporary_folder() as folder:
        for name, (arch, code) in kernels.items():
            path = folder / "code.bin"
            path.write_bytes(code)
            lines = run_tool("nvdisasm", "-b", arch.replace("_", "").upper(), "-hex", str(path)).splitlines()
            jumps = [_JUMP.match(line) for line in lines]
            targets = {int(jump[2], 16) for jump in jumps if jump}
            text.append(f"//--- .text.{name} ---")
            for line, jump in zip(lines, jumps, strict=True):
                place = _INSTRUCTION_ADDRESS.match(line)
                if place and int(place[1], 16) in targets:
                    text.append(f".L_{int(place[1], 16):x}:")
                text.append(f"{jump[1]}`(.L_{int(jump[2], 16):x}){jump[3]}" if jump else line)
    return "\n".join(text)


def sections_of(printed: str, name: str) -> dict[str, Section]:
    """Every kernel in the text. Raises Problem, which names the kernel, the address and what is not understood."""
    found: dict[str, Section] = {}
    section: Section | None = None
    pending: tuple[re.Match[str], str, int] | None = None
    source, number, end = "", 0, 0
    for row, raw in enumerate(printed.splitlines(), 1):
        line = raw.strip()
        if pending is not None:
            begun, source, number = pending
            high = _HIGH.match(line)
            if high is None or section is None:
                raise Problem(f"{name}: line {row} of nvdisasm's text: the second half of an instruction is missing")
            section.lines.append(_line(begun, int(high[1], 16), source, number))
            end, pending = int(begun[1], 16) + 16, None
        elif title := _SECTION.match(line):
            section = found.setdefault(title[1], Section(title[1]))
            source, number, end = "", 0, 0
        elif not line or section is None or (_DIRECTIVE.match(line) and not line.endswith(":")):
            continue
        elif place := _SOURCE.match(line):
            source, number = place[1], int(place[2])
        elif label := _LABEL.match(line):
            section.labels[label[1]] = end
        elif first := _INSTRUCTION.match(line):
            pending = (first, source, number)
        elif not line.startswith("//"):
            raise Problem(f"{name}: line {row} of nvdisasm's text is not understood: {line[:80]!r}; report its version")
    if pending is not None:
        raise Problem(f"{name}: nvdisasm's text ends inside an instruction")
    return found


def _line(match: re.Match[str], high: int, source: str, number: int) -> Line:
    address, guard, opcode, operands, low = match.groups()
    text = (f"@{guard} " if guard else "") + f"{opcode} {operands}".strip()
    try:
        parsed = tuple(parse_operand(part) for part in split_operands(operands))
        return Line(
            int(address, 16), text.replace(".reuse", ""), parse_operand(guard) if guard else None, opcode, parsed,
            int(low, 16) | high << 64, source, number,
        )  # fmt: skip
    except UnknownOperand as unknown:
        return Line(int(address, 16), text, None, opcode, (), 0, source, number, str(unknown))


def split_operands(text: str) -> list[str]:
    """The operands of an instruction. A jump's register and label, or offset, stand without a comma between them."""
    text = _REMARK.sub("", text).strip()
    if not text:
        return []
    parts = re.split(r",\s*(?![^\[(]*[\])])", text)
    if match := re.fullmatch(r"(R\d+)\s+(\S.*)", parts[-1]):
        parts[-1:] = [match[1], match[2]]
    return [part.strip() for part in parts]
