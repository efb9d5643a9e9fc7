"""What one warp must wait for one thing after the other: its trace, walked with the compiler's own control codes.

Every instruction of machine code says how many cycles the next one waits (fixed latencies), and which of six counters
to wait for first (results that take a time of their own). A walk in order so gives the longest chain of waits: loads
that are under way side by side count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from workbench.simulate.launch import Traced
from workbench.simulate.sass.text import Line

NO_COUNTER = 7
GLOBAL = ("LDG", "LD", "LDL", "ATOMG", "ATOM", "LDGSTS")
SHARED = ("LDS", "LDSM", "ATOMS")
POLL = 24
"""Instructions of the longest loop that asks for something again and again, without doing anything else."""
WORK = ("STG", "STS", "ST", "STL", "LDS", "LDSM", "ATOM", "ATOMG", "ATOMS", "RED", "BAR", "LDGSTS", "EXIT")
CYCLES = {"global": 300, "shared": 25, "other": 20}
"""Which of two chains is the longer is decided by these; no figure is made of them."""


class Waits(NamedTuple):
    """A moment of a warp's time: all that it has waited for until then."""

    cycles: int = 0
    """By which two chains are told apart: fixed latencies and CYCLES together."""
    issue: int = 0
    """Cycles of fixed latencies."""
    on_global: int = 0
    """Times that it waited for global memory, one after the other; so with shared memory and everything else."""
    on_shared: int = 0
    on_other: int = 0


def longest_chain(trace: Sequence[Traced], lines: Sequence[Line]) -> Waits:
    """The waits of a traced warp to its end; `lines` are the program's, one per instruction."""
    decoded = [(line, line.base, line.control) for line in lines]
    now, copies = Waits(), Waits()
    pending: list[list[Waits]] = [[] for _ in range(6)]
    asked, asking, since = -1, now, 0
    for step in trace:
        line, opcode, control = decoded[step.instruction]
        since = POLL + 1 if opcode in WORK else since + 1
        if _polls(line):
            # How often it asks in vain is the schedule's, and no part of the chain.
            now = asking if step.instruction == asked and since <= POLL else now
            asked, asking, since = step.instruction, now, 0
        if control.wait:
            for counter in range(6):
                if control.wait >> counter & 1:
                    now = max(now, *pending[counter]) if pending[counter] else now
                    pending[counter] = []
        if opcode == "DEPBAR":
            now = _drained(now, pending, line)
        elif opcode == "LDGSTS":
            copies = max(copies, _done(now, opcode))
        elif opcode == "LDGDEPBAR":
            pending[control.write_barrier if control.write_barrier != NO_COUNTER else 0].append(copies)
        elif control.write_barrier != NO_COUNTER:
            pending[control.write_barrier].append(_done(now, opcode))
        if control.read_barrier != NO_COUNTER:
            pending[control.read_barrier].append(now)
        stall = max(1, control.stall)
        now = Waits(now[0] + stall, now[1] + stall, now[2], now[3], now[4])
    return now


def _polls(line: Line) -> bool:
    """Whether it asks for what another thread or a copy is to do: a phase of an mbarrier, an ordered load."""
    return "PHASECHK" in line.opcode or (line.base in ("LD", "LDG") and "STRONG" in line.opcode)


def _done(now: Waits, opcode: str) -> Waits:
    """When the result of an instruction that begins now is there."""
    cycles, issue, on_global, on_shared, on_other = now
    if opcode in GLOBAL:
        return Waits(cycles + CYCLES["global"], issue, on_global + 1, on_shared, on_other)
    if opcode in SHARED:
        return Waits(cycles + CYCLES["shared"], issue, on_global, on_shared + 1, on_other)
    return Waits(cycles + CYCLES["other"], issue, on_global, on_shared, on_other + 1)


def _drained(now: Waits, pending: list[list[Waits]], line: Line) -> Waits:
    """After `DEPBAR.LE SB0, n`: all but the last n of a counter are done."""
    words = line.text.replace(",", " ").split()
    counter = next((int(word[2:]) for word in words if word.startswith("SB") and word[2:].isdigit()), None)
    left = next((int(word, 0) for word in words[::-1] if word.startswith("0x")), 0)
    if counter is None or counter >= len(pending):
        return now
    done = pending[counter][: max(0, len(pending[counter]) - left)]
    pending[counter] = pending[counter][len(done) :]
    return max((now, *done))
