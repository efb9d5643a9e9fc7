"""Findings in words: which checker, what, where both instructions stand, and who ran them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.simulate.program import Program, Space

TOOLS = {
    "memcheck": ("stray_read", "stray_write", "misaligned", "mixed_spaces", "stray_jump"),
    "initcheck": (
        "uninitialised_store", "uninitialised_address", "uninitialised_branch", "uninitialised_atomic",
        "unwritten_output", "division_by_zero",
    ),
    "racecheck": ("race", "same_value_race", "copy_in_flight", "stale_read"),
    "synccheck": (
        "divergent_barrier", "divergent_warp", "outside_of_mask", "copy_never_waited", "bad_mbarrier", "deadlock",
        "waits_forever",
    ),
}  # fmt: skip
"""The checkers, named as compute-sanitizer names its tools, and the kinds that each finds."""
BY_THE_LETTER = ("same_value_race",)
"""Kinds that the memory model forbids and whose outcome is the same whoever comes first: told, and no fault."""

_SENTENCES = {
    "race": "two accesses to {space} memory that nothing orders",
    "same_value_race": "two stores of one value to {space} memory that nothing orders",
    "stale_read": "a load through the read-only cache of {space} memory that this kernel writes",
    "uninitialised_store": "a value that nobody wrote is stored to {space} memory",
    "uninitialised_address": "a value that nobody wrote is an address",
    "uninitialised_branch": "a value that nobody wrote decides a branch",
    "uninitialised_atomic": "an atomic operation on {space} memory that nobody wrote",
    "divergent_barrier": "threads of a block wait at two barriers of the source for each other",
    "outside_of_mask": "a lane runs what its own member mask does not name it for",
    "division_by_zero": "an integer is divided by zero, or its remainder taken: what comes out is unspecified",
    "copy_never_waited": "a thread ends while its asynchronous copy is on its way",
}


def tool_of(kind: str) -> str:
    """The checker that finds this kind; "machine" for what none does."""
    return next((tool for tool, kinds in TOOLS.items() if kind in kinds), "machine")


@dataclass(frozen=True)
class Finding:
    """Something wrong that did not end the run; the same two instructions are one finding."""

    kind: str
    first: int
    """Number of the instruction that came first, or that brought the value; -1 where only one is concerned."""
    second: int
    space: Space
    address: int
    threads: tuple[int, int]
    """Of the first time that it was seen: warp in the grid × 32 + lane."""
    times: int
    text: str

    @property
    def fault(self) -> bool:
        return self.kind not in BY_THE_LETTER


def in_words(
    program: Program, kind: str, places: tuple[int, int], space: Space, threads: tuple[int, int], times: int,
    grid: Sequence[int], block: Sequence[int],
) -> str:  # fmt: skip
    """One line: checker, kind, kernel, and for each place its line, instruction, block, warp and lane."""
    what = _SENTENCES.get(kind, kind).format(space=space.name.lower())
    there = [
        f"{place(program, at)} by {_thread(thread, grid, block)}"
        for at, thread in zip(places, threads, strict=True)
        if at >= 0
    ]
    often = f" ({times} times)" if times > 1 else ""
    return f"{tool_of(kind)}: {kind}: {what}: kernel {program.name}: {'; '.join(there)}{often}"


def place(program: Program, at: int) -> str:
    """File, line and text of an instruction: the nearest line where the compiler gave it none, as what it moved has."""
    instructions = program.instructions
    text = instructions[at].text or f"instruction {at}"
    beside = (*instructions[at:], *reversed(instructions[:at]))
    found = next((instruction for instruction in beside if instruction.line), None)
    if found is None:
        return text
    file = program.files.get(found.file, "").rpartition("/")[2]
    return f"{file} {'' if found is instructions[at] else 'near '}line {found.line}: {text}".strip()


def _thread(thread: int, grid: Sequence[int], block: Sequence[int]) -> str:
    warps = -(-block[0] * block[1] * block[2] // 32)
    number, warp = divmod(thread // 32, warps)
    at = (number % grid[0], number // grid[0] % grid[1], number // grid[0] // grid[1])
    return f"block {at}, warp {warp}, lane {thread % 32}"
