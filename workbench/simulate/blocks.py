"""A launch whose blocks have nothing to do with each other: a few of them counted for all, or several at a time."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from workbench.simulate.launch import COUNTERS, Counts, Options, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.program import Order, Program, Space

SAMPLES = 4
"""Blocks of a kind that are run where there are many more."""
BUT_GUARDS = [place for place, name in enumerate(COUNTERS) if name != "threads_on"]
FEWEST = 64
"""A smaller grid is run whole."""


def independent(program: Program) -> bool:
    """Whether no block can wait for another or take a ticket: no atomic operation on global memory, and no access to
    it that is ordered or volatile."""
    return not any(
        i.space in (Space.GLOBAL, Space.GENERIC)
        and ((i.form or "").startswith("atomic.") or (i.form in ("load", "store") and i.order != Order.WEAK))
        for i in program.instructions
    )


def run_launch(
    program: Program,
    grid: Sequence[int],
    block: Sequence[int],
    parameters: bytes,
    memory: Memory,
    dynamic_shared: int = 0,
    options: Options | None = None,
) -> Counts:
    """As `simulate`, and does what `options.sample` and `options.threads` ask for where the kernel allows it."""
    options = options or Options()
    watched = options.checks or options.delays or options.first_cache_bytes
    blocks = int(np.prod(grid, dtype=np.int64))

    def run(options: Options) -> Counts:
        return simulate(program, grid, block, parameters, memory, dynamic_shared, options)

    if not watched and options.sample and blocks > FEWEST and independent(program):
        return _sampled(grid, options, run)
    threads = min(options.threads, blocks, len(os.sched_getaffinity(0)))
    watched = watched or options.trace is not None
    if not watched and threads > 1 and not options.blocks and independent(program):
        parts = [
            replace(options, first_block=options.first_block + k * options.block_stride,
                    block_stride=threads * options.block_stride, block_count=-(-(options.block_count - k) // threads))
            for k in range(threads)
        ]  # fmt: skip
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(run, parts))
        return replace(found[0], values=sum((counts.values for counts in found[1:]), found[0].values))
    return run(options)


def _sampled(grid: Sequence[int], options: Options, run: Callable[[Options], Counts]) -> Counts:
    """Blocks are of one kind where each of their coordinates is first, last or between: the edges of a grid differ from
    its middle. A few of each kind are run, one by one; where they differ in any counter, all of the kind are. Lanes
    whose guard held are excepted: they depend on values where a division is refined, and are then not known."""
    choose = random.Random(options.seed)
    trace = run(replace(options, blocks=(options.trace[0],))).trace if options.trace is not None else ()
    options = replace(options, trace=None)
    total: Counts | None = None
    differ = False
    ran, cast = 0, int(np.prod(grid, dtype=np.int64))
    for spans in itertools.product(*(_spans(size) for size in grid)):
        count = int(np.prod([len(span) for span in spans]))
        chosen = {_number([choose.choice(span) for span in spans], grid) for _ in range(SAMPLES)} | {
            _number([span[0] for span in spans], grid), _number([span[-1] for span in spans], grid)
        }  # fmt: skip
        found = [run(replace(options, blocks=(number,))) for number in sorted(chosen)]
        alike = all(np.array_equal(counts.values[:, BUT_GUARDS], found[0].values[:, BUT_GUARDS]) for counts in found)
        differ = differ or (alike and any(not np.array_equal(c["threads_on"], found[0]["threads_on"]) for c in found))
        values = found[0].values * count if alike else sum((c.values for c in found[1:]), found[0].values)
        ran += len(chosen)
        rest = () if alike else tuple(_number(at, grid) for at in itertools.product(*spans))
        if rest := tuple(number for number in rest if number not in chosen):
            values = values + run(replace(options, blocks=rest)).values
            ran += len(rest)
        total = replace(found[0], values=values if total is None else total.values + values)
    assert total is not None
    return replace(
        total, sampled=f"{ran:,} of {cast:,} blocks were run" if ran < cast else "", trace=trace, guards_differ=differ
    )


def _spans(size: int) -> list[Sequence[int]]:
    """The coordinates of an axis: the first, the last, and those between."""
    return [span for span in (range(1), range(1, size - 1), range(max(1, size - 1), size)) if len(span)]


def _number(at: Sequence[int], grid: Sequence[int]) -> int:
    return at[0] + grid[0] * (at[1] + grid[1] * at[2])
