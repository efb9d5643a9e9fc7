"""A lowered instruction whose registers have no rows yet, and the rows that they get."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.simulate.program import ABSENT, File, Flow, Instruction, Order, Scope, Space


@dataclass(eq=False)
class Virtual:
    """A register: one or two rows, or (rows 0) a predicate."""

    rows: int
    number: int = -1


@dataclass(eq=False)
class Place:
    """Where a branch goes: the index of an instruction, once it is known."""

    index: int = -1


Operand = Virtual | int
"""A register, or the offset of a row that is filled before the first instruction (ABSENT: none)."""


@dataclass
class Draft:
    form: str | None
    operands: list[Operand] = field(default_factory=list)
    written: tuple[int, ...] = ()
    """Which operands are destinations."""
    guard: Virtual | int = ABSENT
    guard_negated: bool = False
    flow: Flow = Flow.NEXT
    target: Place | None = None
    immediate: int = 0
    space: Space = Space.GLOBAL
    order: Order = Order.WEAK
    scope: Scope = Scope.THREAD
    bytes: int = 4
    elements: int = 1
    address_rows: int = 2
    sign_extend: bool = False
    variant: int = 0
    text: str = ""
    line: int = 0
    file: int = 0
    address: int = 0

    def register_bits(self) -> tuple[int, int, int]:
        """A bit per operand that is a register and read, is one and written, is one of two rows."""
        read = written = wide = 0
        for k, operand in enumerate(self.operands):
            if isinstance(operand, Virtual):
                if k in self.written:
                    written |= 1 << k
                else:
                    read |= 1 << k
                if operand.rows == 2:
                    wide |= 1 << k
        return read, written, wide

    def ends_block(self) -> bool:
        """Whether control need not go on to the next instruction, or comes here from elsewhere afterwards."""
        return self.flow in (Flow.BRANCH, Flow.EXIT)


def assemble(drafts: list[Draft], file: File) -> list[Instruction]:
    """Instructions whose registers have rows: those of registers that are never live at once are shared."""
    starts = _block_starts(drafts)
    offsets = _Rows(file).allot(_intervals(drafts, starts))
    leaders = {d.target.index for d in drafts if d.target is not None}
    leaders |= {k + 1 for k, d in enumerate(drafts) if d.ends_block() and d.guard != ABSENT}

    def offset(operand: Operand) -> int:
        return offsets[operand.number] if isinstance(operand, Virtual) else operand

    made = []
    for k, d in enumerate(drafts):
        reads, writes, wide = d.register_bits()
        made.append(
            Instruction(
                d.form, tuple(map(offset, d.operands)), d.text, d.flow, offset(d.guard), d.guard_negated,
                ABSENT if d.target is None else d.target.index, k in leaders, immediate=d.immediate, space=d.space,
                order=d.order, scope=d.scope, bytes=d.bytes, elements=d.elements, address_rows=d.address_rows,
                sign_extend=d.sign_extend, variant=d.variant, line=d.line, file=d.file, address=d.address,
                reads=reads, writes=writes, wide=wide,
            )
        )  # fmt: skip
    return made


def _block_starts(drafts: list[Draft]) -> list[int]:
    starts = {0} | {d.target.index for d in drafts if d.target is not None}
    starts |= {k + 1 for k, d in enumerate(drafts) if d.ends_block()}
    return sorted(s for s in starts if s < len(drafts))


@dataclass
class _Interval:
    register: Virtual
    first: int
    last: int


def _intervals(drafts: list[Draft], starts: list[int]) -> list[_Interval]:
    """From where to where each register is live, by the order of the instructions. Sets are bits of integers."""
    registers: list[Virtual] = []
    first: list[int] = []
    last_seen: list[int] = []
    reads: list[int] = []
    writes: list[int] = []
    kills: list[int] = []

    def bit(register: Virtual, at: int) -> int:
        if register.number < 0:
            register.number = len(registers)
            registers.append(register)
            first.append(at)
            last_seen.append(at)
        else:
            last_seen[register.number] = at
        return 1 << register.number

    for at, d in enumerate(drafts):
        read = bit(d.guard, at) if isinstance(d.guard, Virtual) else 0
        wrote = 0
        for k, operand in enumerate(d.operands):
            if isinstance(operand, Virtual):
                if k in d.written:
                    wrote |= bit(operand, at)
                else:
                    read |= bit(operand, at)
        reads.append(read)
        writes.append(wrote)
        kills.append(wrote if d.guard == ABSENT else 0)

    ends = [*starts[1:], len(drafts)]
    block_at = {start: k for k, start in enumerate(starts)}
    used, defined, after = [], [], []
    for start, end in zip(starts, ends, strict=True):
        use = define = 0
        for k in range(start, end):
            use |= reads[k] & ~define
            define |= kills[k]
        used.append(use)
        defined.append(define)
        last = drafts[end - 1]
        following: list[int] = []
        if last.target is not None:
            following.append(block_at[last.target.index])
        falls_through = not (last.ends_block() and last.guard == ABSENT)
        if falls_through and end < len(drafts):
            following.append(block_at[end])
        after.append(following)
    live_in = used[:]
    live_out = [0] * len(starts)
    changed = True
    while changed:
        changed = False
        for k in range(len(starts) - 1, -1, -1):
            out = 0
            for block in after[k]:
                out |= live_in[block]
            into = used[k] | (out & ~defined[k])
            changed |= into != live_in[k] or out != live_out[k]
            live_in[k], live_out[k] = into, out

    def live(bits: int, at: int) -> None:
        while bits:
            low = bits & -bits
            number = low.bit_length() - 1
            bits ^= low
            if at < first[number]:
                first[number] = at
            if at > last_seen[number]:
                last_seen[number] = at

    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        live(live_in[k], start)
        live(live_out[k], end)
    return [_Interval(r, first[r.number], last_seen[r.number]) for r in registers]


class _Rows:
    """Rows for intervals, each kind of register from its own free ones."""

    def __init__(self, file: File) -> None:
        self._file = file

    def allot(self, intervals: list[_Interval]) -> list[int]:
        offsets = [0] * len(intervals)
        free: dict[int, list[int]] = {0: [], 1: [], 2: []}
        by_start = sorted(intervals, key=lambda i: i.first)
        ending = sorted(intervals, key=lambda i: i.last)
        at = 0
        for interval in by_start:
            # A row is free only behind the instruction that read it last: a form may write before it has read all.
            while at < len(ending) and ending[at].last < interval.first:
                gone = ending[at].register
                free[gone.rows].append(offsets[gone.number])
                at += 1
            rows = interval.register.rows
            if not free[rows]:
                free[rows].append(self._file.rows(rows) if rows else self._file.predicate())
            offsets[interval.register.number] = free[rows].pop()
        return offsets
