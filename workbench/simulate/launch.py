"""One launch on the machine: its counters, or the fault that ended it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.problem import Problem
from workbench.simulate.found import Finding, in_words, tool_of
from workbench.simulate.found import place as place_of
from workbench.simulate.library import machine_library
from workbench.simulate.memory import OF_MODULE, Memory
from workbench.simulate.program import SPECIAL, Program, Space

COUNTERS = (
    "executed", "threads", "threads_on", "requests", "sectors", "sectors_ideal", "tags", "wavefronts",
    "wavefronts_ideal", "divergent", "same_address", "bytes", "l1_hits", "l2_hits", "unused",
)  # fmt: skip
"""What is counted per instruction, in the machine's order (see Count in machine/machine.h)."""


class SimulationFault(Exception):
    """The kernel did what it must not; the text says what, and where."""

    def __init__(
        self,
        kind: str,
        text: str,
        program: Program,
        place: Sequence[int],
        findings: tuple[Finding, ...] = (),
        trace: tuple[Traced, ...] = (),
    ) -> None:
        self.kind = kind
        self.findings = findings
        self.program, self.trace = program, trace
        """What the traced warp did before."""
        self.instruction, self.lane, self.warp = place[0], place[1], place[2]
        self.block = tuple(place[3:6])
        where = f"kernel {program.name}, block {self.block}, warp {self.warp}"
        where += f", lane {self.lane}" if self.lane >= 0 else ""
        if 0 <= self.instruction < len(program.instructions):
            self.line = program.instructions[self.instruction].line
            where += f", {place_of(program, self.instruction)}"
        super().__init__(f"{tool_of(kind)}: {kind}: {text} ({where})")


class Checks(IntFlag):
    """What looks on while a kernel runs; memory bounds and alignment are always looked at."""

    RACES = 1
    VALUES = 2
    """Uninitialised values that are stored, address memory or decide a branch."""
    BARRIERS = 4
    ALL = 7


NO_CHECKS = Checks(0)


@dataclass(frozen=True)
class Options:
    """How a launch is run; none of it changes what a right kernel computes."""

    resident: int = 4
    """Blocks that have begun and not ended at any time."""
    quantum: int = 4000
    """Instructions that a warp runs before another has its turn."""
    seed: int = 0
    """0: blocks begin in order; else everything that is free to choose is chosen by this seed."""
    first_block: int = 0
    block_count: int = 2**63
    block_stride: int = 1
    blocks: tuple[int, ...] = ()
    """The blocks that are run, by their number in the grid; none named: those of the three fields above."""
    instruction_limit: int = 4_000_000_000
    multiprocessors: int = 1
    copies_at_once: bool = False
    first_cache_bytes: int = 0
    """L1 per multiprocessor, for the model of caches; 0: no model."""
    second_cache_bytes: int = 0
    second_cache_partitions: int = 1
    """1 or 2: what multiprocessors at the other one ask for lies in both."""
    checks: Checks = NO_CHECKS
    """What to look for while it runs."""
    delays: bool = False
    """Stores to global memory become visible, and loads from it take their values, as late and in as odd an order as
    the memory model allows: a missing fence then gives wrong results."""
    idle_limit: int = 100_000_000
    """Warp instructions in which nothing changes that a thread could wait for, after which the launch has a fault."""
    threads: int = 1
    """Host threads over which blocks are spread, where nothing that one block does reaches another."""
    sample: bool = False
    """Blocks that are alike are counted by a few of them, where nothing that one block does reaches another: the
    counters are whole, the results are not."""
    trace: tuple[int, int] | None = None
    """A block, by its number in the grid, and a warp of it: what that warp does is kept, instruction by instruction."""
    trace_limit: int = 100_000


@dataclass(frozen=True)
class Traced:
    """One instruction that the traced warp executed."""

    instruction: int
    """Its number in the program."""
    lanes: int
    """A mask: those whose guard held."""
    changed: dict[int, int]
    """Word of the warp's file → what it is afterwards, where that is new."""


@dataclass(frozen=True)
class Counts:
    """What a launch did, an entry per instruction of the program."""

    program: Program
    values: NDArray[np.int64]
    """(instructions, COUNTERS)."""
    cache: dict[str, int] = field(default_factory=dict)
    """L2 reads and hits, sectors from and to memory, those that are to go back, where the caches were modelled."""
    findings: tuple[Finding, ...] = ()
    """What the checkers found, the most frequent first."""
    sampled: str = ""
    """Which blocks were run, in words, where it was not all of them."""
    trace: tuple[Traced, ...] = ()
    guards_differ: bool = False
    """Whether sampled blocks were alike but for the lanes whose guard held: `threads_on` is then not that of all."""

    def __getitem__(self, counter: str) -> NDArray[np.int64]:
        """One counter, per instruction."""
        found: NDArray[np.int64] = self.values[:, COUNTERS.index(counter)]
        return found

    def unlike(self, other: Counts) -> NDArray[np.bool_]:
        """Per instruction: whether another run of the launch counted otherwise, hits of caches aside."""
        hits = [COUNTERS.index("l1_hits"), COUNTERS.index("l2_hits")]
        found: NDArray[np.bool_] = np.any(np.delete(self.values != other.values, hits, axis=1), axis=1)
        return found

    def total(self, counter: str) -> int:
        return int(self[counter].sum())


class _Launch(ctypes.Structure):
    _fields_ = (
        ("grid", ctypes.c_uint32 * 3), ("block", ctypes.c_uint32 * 3),
        ("shared_bytes", ctypes.c_uint32), ("resident", ctypes.c_uint32),
        ("quantum", ctypes.c_int64),
        ("seed", ctypes.c_uint64), ("first_block", ctypes.c_uint64), ("block_count", ctypes.c_uint64),
        ("block_stride", ctypes.c_uint64), ("instruction_limit", ctypes.c_uint64),
        ("multiprocessors", ctypes.c_uint32), ("copies_at_once", ctypes.c_uint32),
        ("first_cache_bytes", ctypes.c_uint64), ("second_cache_bytes", ctypes.c_uint64),
        ("second_cache_partitions", ctypes.c_uint32),
        ("checks", ctypes.c_uint32), ("delays", ctypes.c_uint32),
        ("idle_limit", ctypes.c_uint64),
    )  # fmt: skip


def simulate(
    program: Program,
    grid: Sequence[int],
    block: Sequence[int],
    parameters: bytes,
    memory: Memory,
    dynamic_shared: int = 0,
    options: Options | None = None,
) -> Counts:
    """Runs a kernel over the memory. `parameters` is its parameter block, as the launch lays it out.

    Raises SimulationFault for what the kernel must not do, Problem for a form that the machine lacks.
    """
    options = options or Options()
    library = machine_library()
    session = ctypes.c_void_p(library.simulate_new())
    try:
        _load(library, session, program, parameters)
        own = [(at, name, np.frombuffer(bytearray(data), np.uint8), True, None) for at, name, data in program.globals]
        every = sorted([*own, *memory.allocations()], key=lambda entry: entry[0])
        for address, name, array, writable, undefined in every:
            library.simulate_allocate(
                session, ctypes.c_uint64(address), ctypes.c_uint64(array.nbytes), ctypes.c_void_p(array.ctypes.data),
                name.rpartition(OF_MODULE)[2].encode(), int(writable),
                _pointer(undefined) if undefined is not None else None,
            )  # fmt: skip
        request = _Launch(
            (ctypes.c_uint32 * 3)(*grid), (ctypes.c_uint32 * 3)(*block), program.static_shared + dynamic_shared,
            options.resident, options.quantum, options.seed, options.first_block, options.block_count,
            options.block_stride, options.instruction_limit, options.multiprocessors, int(options.copies_at_once),
            options.first_cache_bytes, options.second_cache_bytes, options.second_cache_partitions, int(options.checks),
            int(options.delays), options.idle_limit,
        )  # fmt: skip
        if options.blocks:
            chosen = np.array(options.blocks, np.uint64)
            library.simulate_choose(session, _pointer(chosen), ctypes.c_uint64(len(chosen)))
        if options.trace is not None:
            limit = ctypes.c_uint64(options.trace_limit)
            library.simulate_trace(session, ctypes.c_uint64(options.trace[0]), options.trace[1], limit)
        message = library.simulate_run(session, ctypes.byref(request))
        if message is not None:
            place = (ctypes.c_int64 * 7)()
            library.simulate_fault(session, place)
            kind, _, text = message.decode(errors="replace").partition("\t")
            findings = _findings(library, session, program, grid, block)
            raise SimulationFault(kind, text, program, list(place), findings, _trace(library, session))
        if not options.checks & Checks.VALUES:
            memory.all_written()
        return _counts(library, session, program, _findings(library, session, program, grid, block))
    finally:
        library.simulate_free(session)


def _load(library: ctypes.CDLL, session: Any, program: Program, parameters: bytes) -> None:
    code, names = program.encoded()
    constants = program.file.filled(parameters)
    specials = np.array([(offset, int(what)) for what, offset in program.file.specials.items()], dtype=SPECIAL)
    bank = np.frombuffer(program.bank_at(parameters), np.uint8)
    message = library.simulate_program(
        session, _pointer(code), ctypes.c_uint64(len(code)),
        (ctypes.c_char_p * len(names))(*names), ctypes.c_uint64(len(names)),
        _pointer(constants), ctypes.c_uint64(len(constants)), _pointer(specials), ctypes.c_uint64(len(specials)),
        program.file.words, program.local_bytes, program.reserved_shared, int(program.merge_at_equal_pc),
        int(program.lowest_pc_first),
        _pointer(bank), ctypes.c_uint64(len(bank)),
    )  # fmt: skip
    if message is not None:
        raise Problem(f"kernel {program.name}: {message.decode()}, which the simulator lacks")


def _pointer(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _counts(library: ctypes.CDLL, session: Any, program: Program, findings: tuple[Finding, ...]) -> Counts:
    values = np.zeros((len(program.instructions), len(COUNTERS)), np.int64)
    library.simulate_counts(session, _pointer(values))
    cache = (ctypes.c_uint64 * 5)()
    library.simulate_cache_totals(session, cache)
    names = ("l2_reads", "l2_hits", "memory_reads", "memory_writes", "dirty")
    modelled = dict(zip(names, map(int, cache), strict=True)) if any(cache) else {}
    return Counts(
        program, values, modelled, findings, trace=_trace(library, session)
    )  # fmt: skip


def _trace(library: ctypes.CDLL, session: Any) -> tuple[Traced, ...]:
    count = ctypes.c_uint64()
    start = library.simulate_trace_words(session, ctypes.byref(count))
    words = np.ctypeslib.as_array(start, (count.value,)).tolist() if count.value else []
    found, at = [], 0
    while at < len(words):
        number, lanes, changed = words[at : at + 3]
        pairs = words[at + 3 : at + 3 + 2 * changed]
        found.append(Traced(number, lanes, dict(zip(pairs[::2], pairs[1::2], strict=True))))
        at += 3 + 2 * changed
    return tuple(found)


def _findings(
    library: ctypes.CDLL, session: Any, program: Program, grid: Sequence[int], block: Sequence[int]
) -> tuple[Finding, ...]:
    found = []
    for number in range(library.simulate_finding_count(session)):
        out = (ctypes.c_int64 * 7)()
        kind = library.simulate_finding(session, ctypes.c_uint64(number), out).decode()
        first, second, space, address, one, other, times = out
        text = in_words(program, kind, (first, second), Space(space), (one, other), times, grid, block)
        found.append(Finding(kind, first, second, Space(space), address, (one, other), times, text))
    return tuple(found)
