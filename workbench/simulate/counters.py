"""What was counted, under the names that Nsight Compute gives it, each figure with its standing.

A name stands here only where its meaning is the counted one: a PTX program has no count of executed instructions,
because ptxas has not yet merged, predicated and scheduled them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from workbench.simulate.launch import Counts
from workbench.simulate.program import Flow, Instruction, Order, Space

SECTOR_BYTES = 32
DIRTY = "bytes that stay dirty in L2"
"""No counter of Nsight's: what was written and has not gone back to memory when the launch ends."""


class Level(StrEnum):
    """What was executed."""

    SASS = "sass"
    PTX = "ptx"


class Standing(StrEnum):
    """How far a simulated figure can be held against a measured one."""

    CONFIRMED = "exact, confirmed by reports"
    BY_RULE = "exact by rule"
    IF_WIDTHS_SURVIVE = "exact if ptxas keeps the widths of accesses"
    CACHE_MODEL = "model of caches"


@dataclass(frozen=True)
class CounterValue:
    """One counter of a launch."""

    name: str
    value: float
    unit: str
    standing: Standing


Pick = Callable[[Instruction], bool]


def _accesses(space: Space, store: bool) -> Pick:
    """SYNCS, which writes an mbarrier's first state, is no store to whoever counts those of shared memory."""
    form = "store" if store else "load"
    return lambda i: i.form == form and i.space == space and "SYNCS." not in i.text


def _reaching(space: Space, store: bool) -> Pick:
    """Accesses to a space, and for global memory those that find out at run time that they are, and what asynchronous
    copies read."""
    form = "store" if store else "load"
    spaces = (space, Space.GENERIC) if space is Space.GLOBAL else (space,)
    copied = space is Space.GLOBAL and not store
    return lambda i: (i.form == form and i.space in spaces) or (copied and _copies(i))


def _requests(counts: Counts) -> NDArray[np.int64]:
    """Of generic accesses those that did not turn out to be to shared memory."""
    generic = np.array([i.space == Space.GENERIC for i in counts.program.instructions])
    return np.where(generic & (counts["wavefronts"] > 0), 0, counts["requests"])


def _atomics(space: Space) -> Pick:
    return lambda i: i.form is not None and i.form.startswith("atomic.") and i.space == space


def _either(one: Pick, other: Pick) -> Pick:
    return lambda i: one(i) or other(i)


def _branches(i: Instruction) -> bool:
    """Branches, calls, BSYNC and EXIT: what Nsight's `op_branch` holds in every report that was compared."""
    return i.flow in (Flow.BRANCH, Flow.BRANCH_TO_ROW, Flow.EXIT, Flow.CONVERGE)


@dataclass(frozen=True)
class _Rule:
    name: str
    unit: str
    counter: Callable[[Counts], NDArray[np.int64]]
    pick: Pick
    sass: Standing | None
    ptx: Standing | None
    """None: not known at that level."""


def _of(counter: str) -> Callable[[Counts], NDArray[np.int64]]:
    return lambda counts: counts[counter]


def _conflicts(counts: Counts) -> NDArray[np.int64]:
    return counts["wavefronts"] - counts["wavefronts_ideal"]


def _excess(counts: Counts) -> NDArray[np.int64]:
    return counts["sectors"] - counts["sectors_ideal"]


def _copies(i: Instruction) -> bool:
    return i.form == "cp.async"


def _globals(i: Instruction) -> bool:
    return ((i.form in ("load", "store") or _atomics(Space.GLOBAL)(i)) and i.space == Space.GLOBAL) or _copies(i)


def _matrices(i: Instruction) -> bool:
    return i.form == "ldmatrix"


def _everything(_: Instruction) -> bool:
    return True


_EXACT, _RULE, _WIDTHS = Standing.CONFIRMED, Standing.BY_RULE, Standing.IF_WIDTHS_SURVIVE
TRUE_GUARDS = "smsp__thread_inst_executed_pred_on.sum"
_LSU = "l1tex__t_{}_pipe_lsu_mem_{}_op_{}.sum"


def _rules() -> Iterator[_Rule]:
    yield _Rule("smsp__inst_executed.sum", "inst", _of("executed"), _everything, _EXACT, None)
    yield _Rule("smsp__thread_inst_executed.sum", "thread inst", _of("threads"), _everything, _EXACT, None)
    yield _Rule(TRUE_GUARDS, "thread inst", _of("threads_on"), _everything, _EXACT, None)
    yield _Rule("smsp__inst_executed_op_branch.sum", "inst", _of("executed"), _branches, _EXACT, None)
    name = "smsp__sass_branch_targets_threads_divergent.sum"
    yield _Rule(name, "branch", _of("divergent"), _everything, _EXACT, None)
    for name, counter in (("", _of("sectors")), ("_ideal", _of("sectors_ideal"))):
        yield _Rule(f"memory_l2_theoretical_sectors_global{name}", "sector", counter, _globals, _EXACT, _EXACT)
    name = "derived__memory_l2_theoretical_sectors_global_excessive"
    yield _Rule(name, "sector", _excess, _globals, _EXACT, _EXACT)
    for space, exact in ((Space.GLOBAL, _EXACT), (Space.LOCAL, _RULE)):
        for store, suffix in ((False, "ld"), (True, "st")):
            name = space.name.lower()
            pick = _accesses(space, store)
            # NVVM knows no spills: local memory at PTX level is not the machine's.
            ptx = exact if space is Space.GLOBAL else None
            # An access whose guard holds for no lane counts as executed, but not by its kind.
            yield _Rule(f"smsp__sass_inst_executed_op_{name}_{suffix}.sum", "inst", _of("requests"), pick, exact, None)
            pick = _reaching(space, store)
            yield _Rule(_LSU.format("requests", name, suffix), "request", _requests, pick, exact, ptx)
            yield _Rule(_LSU.format("sectors", name, suffix), "sector", _of("sectors"), pick, exact, ptx)
    for store, suffix in ((False, "ld"), (True, "st")):
        pick = _accesses(Space.SHARED, store)
        yield _Rule(f"smsp__sass_inst_executed_op_shared_{suffix}.sum", "inst", _of("requests"), pick, _EXACT, None)
        if not store:
            pick = _either(pick, _matrices)  # LDSM has a count of its own, but its wavefronts are those of loads
        yield _Rule(
            f"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_{suffix}.sum", "wavefront", _of("wavefronts"), pick, _EXACT,
            _WIDTHS,
        )  # fmt: skip
        yield _Rule(
            f"l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_{suffix}.sum", "conflict", _conflicts, pick, _EXACT,
            _WIDTHS,
        )  # fmt: skip
    yield _Rule("smsp__inst_executed_op_ldsm.sum", "inst", _of("executed"), _matrices, _RULE, _RULE)
    yield _Rule("smsp__inst_executed_op_ldgsts.sum", "inst", _of("executed"), _copies, _RULE, _RULE)
    for space in (Space.GLOBAL, Space.SHARED):
        name = f"smsp__inst_executed_op_{space.name.lower()}_atom.sum"
        yield _Rule(name, "inst", _of("executed"), _atomics(space), _RULE, _RULE)


RULES = tuple(_rules())
REPORTED_BEFORE = 100
"""The reports that confirm are of sm_80 to sm_90."""


def standing_for(standing: Standing, generation: int) -> Standing:
    """A rule's standing in code for this architecture: what no report of its generation confirms is by rule at most."""
    unconfirmed = standing is Standing.CONFIRMED and generation >= REPORTED_BEFORE
    return Standing.BY_RULE if unconfirmed else standing


def figures(counts: Counts, level: Level) -> list[CounterValue]:
    """Every counter that this level of execution gives, totals over the launch.

    Nsight's bank conflicts on the device hold 0.5 to 10 % that are not the access pattern's: these are the pattern's.
    """
    found = []
    for rule in RULES:
        standing = rule.sass if level is Level.SASS else rule.ptx
        if standing is None or (counts.guards_differ and rule.name == TRUE_GUARDS):
            continue
        chosen = [number for number, i in enumerate(counts.program.instructions) if rule.pick(i)]
        standing = standing_for(standing, counts.program.generation)
        found.append(CounterValue(rule.name, float(rule.counter(counts)[chosen].sum()), rule.unit, standing))
    if counts.cache:
        found += _cache_figures(counts)
    return found


def global_sectors(counts: Counts) -> int:
    """Sectors of every access to global memory, asynchronous copies and atomics too: PTX and SASS must agree in it, but
    for what `why_sectors_differ` names."""
    reaching = [_reaches_global(i) or _copies(i) for i in counts.program.instructions]
    return int(counts["sectors"][reaching].sum())


def why_sectors_differ(sass: Counts, ptx: Counts) -> str | None:
    """What lets PTX and machine code of one kernel touch different sectors though both are right; None where nothing
    does, and they differ by a fault of the simulator or of what was given as the kernel's PTX or cubin."""
    programs = (sass.program, ptx.program)
    if any(_asks_others(i) for program in programs for i in program.instructions):
        return "its blocks ask each other, as often as their order makes them"
    if any(counts["divergent"].any() for counts in (sass, ptx)):
        return "lanes of a warp part at its branches, which ptxas lays out anew"
    return None


def _reaches_global(i: Instruction) -> bool:
    return i.space in (Space.GLOBAL, Space.GENERIC)


def _asks_others(i: Instruction) -> bool:
    """Whether it sees what another block has done meanwhile: a load that is not weak, or an atomic operation."""
    return _reaches_global(i) and i.form is not None and (
        i.form.startswith("atomic.") or (i.form == "load" and i.order is not Order.WEAK)
    )  # fmt: skip


def merged(launches: Sequence[Counts]) -> Counts:
    """The launches of one program as one: everything counted is added up."""
    cache: Counter[str] = Counter()
    for counts in launches:
        cache.update(counts.cache)
    values = sum((counts.values for counts in launches[1:]), launches[0].values)
    findings = tuple(finding for counts in launches for finding in counts.findings)
    differ = any(counts.guards_differ for counts in launches)
    return replace(launches[0], values=values, cache=dict(cache), findings=findings, guards_differ=differ)


def total_of(launches: Iterable[list[CounterValue]]) -> list[CounterValue]:
    """The figures of several launches added up; rates are left out, which have no sum."""
    found: dict[str, CounterValue] = {}
    for figure in (figure for launch in launches for figure in launch if figure.unit != "%"):
        before = found.get(figure.name)
        found[figure.name] = replace(figure, value=figure.value + before.value) if before else figure
    return list(found.values())


def opcodes(counts: Counts) -> dict[str, int]:
    """Executed warp instructions of machine code by opcode without modifiers: `sass__inst_executed_per_opcode`."""
    found: Counter[str] = Counter()
    for instruction, executed in zip(counts.program.instructions, counts["executed"], strict=True):
        if executed:
            words = instruction.text.split()
            found[words[words[0].startswith("@")].partition(".")[0]] += int(executed)
    return dict(found.most_common())


def _cache_figures(counts: Counts) -> list[CounterValue]:
    c, model = counts.cache, Standing.CACHE_MODEL
    loads = [number for number, i in enumerate(counts.program.instructions) if _reaching(Space.GLOBAL, False)(i)]
    sectors, hits = int(counts["sectors"][loads].sum()), int(counts["l1_hits"][loads].sum())
    rows = [
        ("l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum", hits, "sector"),
        ("l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum", sectors - hits, "sector"),
        ("lts__t_sectors_srcunit_tex_op_read.sum", c["l2_reads"], "sector"),
        ("lts__t_sectors_srcunit_tex_op_read_lookup_hit.sum", c["l2_hits"], "sector"),
        ("dram__bytes_read.sum", c["memory_reads"] * SECTOR_BYTES, "byte"),
        ("dram__bytes_write.sum", c["memory_writes"] * SECTOR_BYTES, "byte"),
        (DIRTY, c["dirty"] * SECTOR_BYTES, "byte"),
    ]
    found = [CounterValue(name, float(value), unit, model) for name, value, unit in rows]
    if sectors:
        found.append(
            CounterValue("l1tex__t_sector_pipe_lsu_mem_global_op_ld_hit_rate.pct", 100 * hits / sectors, "%", model)
        )
    return found
