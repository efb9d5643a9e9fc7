"""The arguments of a report's launch: as somebody gives them, or guessed from what was measured."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import IO

import numpy as np
from numpy.typing import NDArray

from workbench.problem import Problem
from workbench.profile.launched import Measured
from workbench.simulate.blocks import independent, run_launch
from workbench.simulate.launch import Counts, Options, SimulationFault
from workbench.simulate.memory import Memory
from workbench.simulate.program import Program

FIRST_BYTES, MOST_BYTES, GROWTH = 1 << 20, 1 << 30, 4
"""Bytes of a guessed buffer: at first, at most, and the step where the kernel reads or writes behind its end."""
GUARD_BYTES = 1 << 32
"""Between two buffers: what lies behind the end of a guessed one is not the next."""
MOST_TRIALS, MOST_FITS = 3000, 8
"""Choices of sizes tried on one block; those run on more of the grid, of which the best stands."""
NEAR = 0.01
"""Relative difference of a block's executed instructions from the mean of all blocks that still counts as alike."""
NEAR_IN_SECTORS = 0.3
"""The same of its sectors: how rows are aligned differs from block to block."""
PATTERN_BYTES = 4 << 20

_BUFFER = re.compile(r"(buffer|zeros):([0-9]{1,12})")
_FLOAT = re.compile(r"-?[0-9]*\.[0-9]*")
_OF_FLOATS = re.compile(r"sass\.(ffma|fmul|fadd|fsetp|fmnmx|fsel|mufu)")
_MOVES = ("sass.mov", "sass.mov.two")

SizesOf = Callable[[Counts], int]


class Relaunch:
    """A report's launch with arguments of one's choice. Every run has memory of its own."""

    def __init__(self, program: Program, measured: Measured) -> None:
        self.program, self._measured = program, measured
        self._patterns = _Patterns()
        self.resident = measured.resident()
        """Blocks that the device has at a time."""
        self._grows: dict[int, int] = {}
        """Parameter → bytes of its guessed buffer, once they turned out too few."""
        sectors = [measured.value(f"l1tex__t_sectors_pipe_lsu_mem_global_op_{op}.sum") for op in ("ld", "st")]
        touched = 32 * int(sum(s for s in sectors if s)) if all(sectors) else MOST_BYTES
        self._most = min(MOST_BYTES, max(touched, FIRST_BYTES))

    def run(self, arguments: Sequence[str], options: Options, contents: int = 0) -> Counts:
        """Raises Problem where the arguments do not fit; SimulationFault where the kernel fails with them. `contents`
        other than 0 fills buffers with other values: of both signs, and zero in places."""
        memory = Memory(GUARD_BYTES)
        block = self._pack(arguments, memory, contents)
        m = self._measured
        return run_launch(self.program, m.grid, m.block, block, memory, m.dynamic_shared, options)

    def _pack(self, arguments: Sequence[str], memory: Memory, contents: int) -> bytes:
        program = self.program
        if len(arguments) != len(program.parameters):
            sizes = ", ".join(str(size) for _, size in program.parameters)
            raise Problem(f"{program.name} takes {len(program.parameters)} arguments, of {sizes} bytes", exit_status=2)
        block = bytearray(program.parameter_bytes)
        for number, (text, (offset, size)) in enumerate(zip(arguments, program.parameters, strict=True)):
            block[offset : offset + size] = self._bytes(number, text, size, memory, contents)
        return bytes(block)

    def _bytes(self, number: int, text: str, size: int, memory: Memory, contents: int) -> bytes:
        wrong = f"--argument {text}: does not fit parameter {number + 1}, which has {size} bytes"
        if "+" not in text:
            found = self._scalar(text, size, f"argument{number + 1}", memory, contents)
        else:  # a structure: its fields in order, each where its own size puts it
            found = b""
            for place, part in enumerate(text.split("+")):
                own = 8 if _BUFFER.fullmatch(part) else 4
                value = self._scalar(part, own, f"argument{number + 1}, field {place + 1}", memory, contents)
                if value is None:
                    raise Problem(wrong, exit_status=2)
                found += bytes(-len(found) % own) + value
            found += bytes(max(0, size - len(found)))
        if found is None or len(found) != size:
            raise Problem(wrong, exit_status=2)
        return found

    def _scalar(self, text: str, size: int, name: str, memory: Memory, contents: int) -> bytes | None:
        """One value as so many bytes; None where it is no such value."""
        if (found := _BUFFER.fullmatch(text)) and size == 8:
            length = int(found[2])
            zeros = found[1] == "zeros"
            memory.take(name, np.zeros(-(-length // 4), np.float32) if zeros else self._patterns.of(length, contents))
            return (memory.address(name) or 0).to_bytes(8, "little")
        if re.fullmatch(r"-?[0-9]{1,20}", text) and -(1 << 8 * size - 1) <= int(text) < 1 << 8 * size:
            return (int(text) % (1 << 8 * size)).to_bytes(size, "little")
        if _FLOAT.fullmatch(text) and size in (4, 8) and text.strip("-."):
            return struct.pack("<f" if size == 4 else "<d", float(text))
        return None

    # ---------------------------------------------------------------------------------------------- guessing

    def guess(self, differences: SizesOf) -> list[str]:
        """Buffers for what has eight bytes and is not compared, 1.0 for what only float instructions read, and sizes of
        the launch or powers of two for the rest. A choice fits where one block from the middle executes each
        instruction as often as the mean of all blocks, with about its sectors; of the first few that fit, the one with
        the fewest `differences` over the launch. Raises Problem."""
        if not independent(self.program):
            raise Problem("its blocks may wait for each other, so nothing can be guessed: give every --argument")
        kinds = [self._kind(offset, size) for offset, size in self.program.parameters]
        integers = [k for k, kind in enumerate(kinds) if kind == "integer"]
        best: tuple[int, list[str]] | None = None
        fits = 0
        for sizes in itertools.islice(self._sizes(len(integers)), MOST_TRIALS):
            chosen = [str(sizes[integers.index(k)]) if kind == "integer" else kind for k, kind in enumerate(kinds)]
            self._grows.clear()
            if not self._fits(chosen):
                continue
            fits += 1
            counts = self._patiently(chosen, Options(sample=True))
            wrong = 1 << 62 if counts is None else differences(counts)
            if best is None or wrong < best[0]:
                best = wrong, self._grown(chosen)
            if not wrong or fits == MOST_FITS or not integers:
                break
        if best is None or best[0] == 1 << 62:
            raise Problem("its arguments cannot be guessed (no choice fits its counters): give every --argument")
        return best[1]

    def _kind(self, offset: int, size: int) -> str:
        if size not in (4, 8):
            raise Problem(f"a parameter of {size} bytes cannot be guessed: give every --argument")
        readers = list(_readers(self.program, self.program.file.parameter(offset, size // 4)))
        readers += _readers(self.program, self.program.file.parameter(offset)) if size == 8 else ()
        if size == 8:  # a pointer is compared with nothing
            compared = any(form.startswith("sass.isetp") for form in readers)
            return "integer" if compared else f"buffer:{FIRST_BYTES}"
        return "1.0" if readers and all(_OF_FLOATS.match(form) for form in readers) else "integer"

    def _fits(self, chosen: list[str]) -> bool:
        m, blocks = self._measured, int(np.prod(self._measured.grid))
        wanted = m.by_instruction("inst_executed")
        total = m.value("smsp__inst_executed.sum")
        if total is None and not wanted:
            return True
        mean = np.array([wanted.get(i.address, 0) / blocks for i in self.program.instructions])
        limit = int(1.2 * (mean.sum() if wanted else (total or 0) / blocks)) + 1000
        counts = self._patiently(chosen, Options(blocks=(blocks // 2,), instruction_limit=limit, idle_limit=limit))
        if counts is None:
            return False
        own: NDArray[np.int64] = counts["executed"]
        if not wanted:
            return abs(int(own.sum()) - (total or 0) / blocks) <= NEAR * (total or 0) / blocks
        if np.any(np.abs(own - mean) > np.maximum(NEAR * mean, NEAR)):
            return False
        sectors = m.by_instruction("memory_l2_theoretical_sectors_global")
        mean = np.array([sectors.get(i.address, 0) / blocks for i in self.program.instructions])
        apart = np.abs(counts["sectors"] - mean) > NEAR_IN_SECTORS * mean
        return not np.any(apart[[i.address in sectors for i in self.program.instructions]])

    def _patiently(self, chosen: list[str], options: Options) -> Counts | None:
        """The counts; None where the kernel fails even with larger buffers."""
        while True:
            try:
                return self.run(self._grown(chosen), options)
            except SimulationFault as fault:
                behind = re.search(r"argument(\d+)", str(fault)) if fault.kind.startswith("stray") else None
                number = int(behind[1]) - 1 if behind else -1
                size = self._grows.get(number, FIRST_BYTES)
                if number < 0 or size >= self._most:
                    return None
                self._grows[number] = size * GROWTH

    def _grown(self, chosen: list[str]) -> list[str]:
        return [
            f"{found[1]}:{self._grows.get(k, found[2])}" if (found := _BUFFER.fullmatch(text)) else text
            for k, text in enumerate(chosen)
        ]

    def _sizes(self, count: int) -> Iterator[tuple[int, ...]]:
        """Choices for so many integers: those alike first, then the likelier ones."""
        m = self._measured
        spans = [g * b for g, b in zip(m.grid, m.block, strict=True)]
        total = int(np.prod(spans))
        near = [
            *spans,
            total,
            *m.grid,
            *m.block,
            *(total << k for k in range(1, 5)),
            *(total >> k for k in range(1, 5)),
        ]
        likely = [size for size in dict.fromkeys([*near, *(1 << k for k in range(15))]) if size < 1 << 31]
        yield from ((size,) * count for size in likely[: None if count else 1])
        if count > 1:
            places = itertools.product(range(len(likely) if count < 4 else 8), repeat=count)
            for chosen in sorted(places, key=sum):
                if len(set(chosen)) > 1:
                    yield tuple(likely[k] for k in chosen)


def undetermined(relaunch: Relaunch, arguments: Sequence[str], counts: Counts, options: Options) -> NDArray[np.bool_]:
    """Per instruction: whether its counts change with what the buffers hold, or with the order in which blocks that
    wait for each other have their turns. Such counts are not the launch's alone."""
    changed = np.zeros(len(counts.values), bool)
    options = replace(options, first_cache_bytes=0, second_cache_bytes=0)
    others = [(options, 1)]
    if not independent(relaunch.program):
        others.append((replace(options, seed=1, quantum=40, resident=relaunch.resident), 0))
    for changes, contents in others:
        with contextlib.suppress(SimulationFault):
            other = relaunch.run(arguments, changes, contents)
            changed |= counts.unlike(other)
    return changed


class _Patterns:
    """Random numbers of any length, every few MiB the same. They lie in a file that each run sees a copy of, of which
    only what a kernel touches is ever made; it has no name, so that a process that is killed leaves none."""

    def __init__(self) -> None:
        self._files: dict[int, IO[bytes]] = {}

    def of(self, size: int, contents: int) -> NDArray[np.float32]:
        """From 0 to 1; with other contents from -1 to 1, an eighth of them 0."""
        random = np.random.default_rng(contents)
        pattern = random.random(PATTERN_BYTES // 4, np.float32)
        if contents:
            pattern = 2 * pattern - 1
            pattern[random.random(len(pattern)) < 1 / 8] = 0
        if contents not in self._files:
            self._files[contents] = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as it is used
        file = self._files[contents]
        for _ in range(-(-(size - file.seek(0, os.SEEK_END)) // PATTERN_BYTES)):
            file.write(pattern.tobytes())
        file.flush()
        return np.memmap(file, np.float32, "c", shape=(max(1, -(-size // 4)),))


def _readers(program: Program, row: int) -> Iterator[str]:
    """The forms that read a parameter, those behind a move of it into a register in its place."""
    code = program.instructions
    for at, i in enumerate(code):
        if row not in i.operands:
            continue
        if i.form not in _MOVES:
            yield i.form or ""
            continue
        copy = i.operands[0]
        for later in code[at + 1 :]:
            if copy in later.operands[1:]:
                yield later.form or ""
            if later.operands[:1] == (copy,):
                break
