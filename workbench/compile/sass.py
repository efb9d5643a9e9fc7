"""A kernel's machine code (SASS): its instructions in order, their mix, and its loops."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.compile.instructions import Instruction, instruction_mix
from workbench.problem import Problem

_KERNEL = re.compile(r"^\.kernel (\S+) (\d+)$")
_LABEL = re.compile(r"^(\.L_\d+):$")
_INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*(?:\.[\w.&]+)?)\s*(.*?)\s*;$")
_TARGET = re.compile(r"(\.L_\d+)$")


@dataclass(frozen=True)
class Loop:
    """The instructions from a backward branch's target up to the branch itself."""

    body: tuple[Instruction, ...]

    @property
    def first(self) -> int:
        return self.body[0].address

    @property
    def last(self) -> int:
        return self.body[-1].address

    def mix(self) -> dict[str, int]:
        return instruction_mix(self.body)


@dataclass(frozen=True)
class Listing:
    """One kernel's machine code, without the padding behind it."""

    kernel: str
    instructions: tuple[Instruction, ...]
    code_bytes: int
    """Padding included: what the instruction cache sees."""
    text: str
    """An instruction a line, with a label where a branch leads."""

    def mix(self) -> dict[str, int]:
        return instruction_mix(self.instructions)

    def loops(self) -> list[Loop]:
        """Every loop, one a backward branch, outer before inner where they nest."""
        found = []
        for at, instruction in enumerate(self.instructions):
            if instruction.target is not None and instruction.target <= instruction.address:
                body = tuple(i for i in self.instructions[: at + 1] if i.address >= instruction.target)
                found.append(Loop(body))
        return sorted(found, key=lambda loop: (loop.first, -loop.last))

    def innermost_loops(self) -> list[Loop]:
        """Loops that hold no other loop, the one of most instructions first."""
        loops = self.loops()
        inner = [
            loop
            for loop in loops
            if not any(o is not loop and loop.first <= o.first and o.last <= loop.last for o in loops)
        ]
        return sorted(inner, key=lambda loop: len(loop.body), reverse=True)

    def inner_loop(self) -> Loop | None:
        """The innermost loop of most instructions: of a loop that the compiler unrolled, the unrolled part and not the
        remainder. None for straight code. Code that the compiler moved out of the loop's line is not in it."""
        loops = self.innermost_loops()
        return loops[0] if loops else None


def parse_listings(text: str) -> dict[str, Listing]:
    """The text that `disassemble` keeps → each kernel's listing by name. Raises Problem when it holds none."""
    blocks: list[tuple[str, int, list[str]]] = []
    for line in text.splitlines():
        kernel = _KERNEL.match(line)
        if kernel:
            blocks.append((kernel[1], int(kernel[2]), []))
        elif blocks:
            blocks[-1][2].append(line)
    listings = {name: _listing(name, code_bytes, lines) for name, code_bytes, lines in blocks}
    if not listings or not all(listing.instructions for listing in listings.values()):
        raise Problem("the disassembly holds no instructions; delete the build cache, or report nvdisasm's version")
    return listings


def _listing(name: str, code_bytes: int, lines: list[str]) -> Listing:
    labels: dict[str, int] = {}
    pending: list[str] = []
    found: list[re.Match[str]] = []
    for line in lines:
        label, match = _LABEL.match(line), _INSTRUCTION.match(line)
        if label:
            pending.append(label[1])
        elif match:
            labels.update(dict.fromkeys(pending, int(match[1], 16)))
            pending = []
            found.append(match)
    instructions = []
    for match in found:
        target = _TARGET.search(match[4])
        to = labels.get(target[1]) if target else None
        instructions.append(Instruction(int(match[1], 16), match[3], match[4], (match[2] or "").strip(), to))
    # Behind the last instruction stands a branch to itself and NOPs up to the alignment.
    while instructions and instructions[-1].base == "NOP":
        instructions.pop()
    if instructions and instructions[-1].target == instructions[-1].address:
        instructions.pop()
    return Listing(name, tuple(instructions), code_bytes, "\n".join(lines) + "\n")
