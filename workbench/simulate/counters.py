"""What was counted, under the names that Nsight Compute gives it, each figure with its standing.

A name stands here only where its meaning is the counted one: a PTX program has no count of executed instructions,
because ptxas has not yet merged, predicated and scheduled them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from workbench.simulate.launch import Counts
from workbench.simulate.program import Flow, Instruction, Space

SECTOR_BYTES = 32


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
class Figure:
    """One counter of a launch."""

    name: str
    value: float
    unit: str
    standing: Standing


Pick = Callable[[Instruction], bool]


def _accesses(space: Space, store: bool) -> Pick:
    form = "store" if store else "load"
    return lambda i: i.form == form and i.space == space


def _atomics(space: Space) -> Pick:
    return lambda i: i.form is not None and i.form.startswith("atom.") and i.space == space


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


def _everything(_: Instruction) -> bool:
    return True


_EXACT, _RULE, _WIDTHS = Standing.CONFIRMED, Standing.BY_RULE, Standing.IF_WIDTHS_SURVIVE
_LSU = "l1tex__t_{}_pipe_lsu_mem_{}_op_{}.sum"


def _rules() -> Iterator[_Rule]:
    yield _Rule("smsp__inst_executed.sum", "inst", _of("executed"), _everything, _EXACT, None)
    yield _Rule("smsp__thread_inst_executed.sum", "thread inst", _of("threads"), _everything, _EXACT, None)
    yield _Rule("smsp__thread_inst_executed_pred_on.sum", "thread inst", _of("threads_on"), _everything, _EXACT, None)
    yield _Rule("smsp__inst_executed_op_branch.sum", "inst", _of("executed"), _branches, _EXACT, None)
    for space, exact in ((Space.GLOBAL, _EXACT), (Space.LOCAL, _RULE)):
        for store, suffix in ((False, "ld"), (True, "st")):
            name = space.name.lower()
            pick = _accesses(space, store)
            # NVVM knows no spills: local memory at PTX level is not the machine's.
            ptx = exact if space is Space.GLOBAL else None
            yield _Rule(f"smsp__inst_executed_op_{name}_{suffix}.sum", "inst", _of("executed"), pick, exact, ptx)
            yield _Rule(_LSU.format("requests", name, suffix), "request", _of("requests"), pick, exact, ptx)
            yield _Rule(_LSU.format("sectors", name, suffix), "sector", _of("sectors"), pick, exact, ptx)
    for store, suffix in ((False, "ld"), (True, "st")):
        pick = _accesses(Space.SHARED, store)
        yield _Rule(f"smsp__inst_executed_op_shared_{suffix}.sum", "inst", _of("executed"), pick, _EXACT, _WIDTHS)
        yield _Rule(
            f"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_{suffix}.sum", "wavefront", _of("wavefronts"), pick, _EXACT,
            _WIDTHS,
        )  # fmt: skip
        yield _Rule(
            f"l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_{suffix}.sum", "conflict", _conflicts, pick, _EXACT,
            _WIDTHS,
        )  # fmt: skip
    for space in (Space.GLOBAL, Space.SHARED):
        name = f"smsp__inst_executed_op_{space.name.lower()}_atom.sum"
        yield _Rule(name, "inst", _of("executed"), _atomics(space), _RULE, _RULE)


RULES = tuple(_rules())


def figures(counts: Counts, level: Level) -> list[Figure]:
    """Every counter that this level of execution gives, totals over the launch.

    Nsight's bank conflicts on the device hold 0.5 to 10 % that are not the access pattern's; this is the pattern's part.
    """
    found = []
    for rule in RULES:
        standing = rule.sass if level is Level.SASS else rule.ptx
        if standing is None:
            continue
        chosen = [number for number, i in enumerate(counts.program.instructions) if rule.pick(i)]
        found.append(Figure(rule.name, float(rule.counter(counts)[chosen].sum()), rule.unit, standing))
    if counts.cache:
        found += _cache_figures(counts)
    return found


def _cache_figures(counts: Counts) -> list[Figure]:
    c, model = counts.cache, Standing.CACHE_MODEL
    loads = [number for number, i in enumerate(counts.program.instructions) if _accesses(Space.GLOBAL, False)(i)]
    sectors, hits = int(counts["sectors"][loads].sum()), int(counts["l1_hits"][loads].sum())
    rows = [
        ("lts__t_sectors_srcunit_tex_op_read.sum", c["l2_reads"], "sector"),
        ("lts__t_sectors_srcunit_tex_op_read_lookup_hit.sum", c["l2_hits"], "sector"),
        ("dram__bytes_read.sum", c["memory_reads"] * SECTOR_BYTES, "byte"),
        ("dram__bytes_write.sum", c["memory_writes"] * SECTOR_BYTES, "byte"),
    ]
    found = [Figure(name, float(value), unit, model) for name, value, unit in rows]
    if sectors:
        found.append(Figure("l1tex__t_sector_pipe_lsu_mem_global_op_ld_hit_rate.pct", 100 * hits / sectors, "%", model))
    return found
