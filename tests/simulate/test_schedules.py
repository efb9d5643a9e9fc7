"""Who runs when: no split of a warp starves another, and blocks that are alike can be counted by a few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.simulate.one_opcode import kernel
from tests.simulate.simulated_case import Case, binaries
from tests.simulate.test_machine import doubling, pointers, two_buffers
from workbench.declare import Shape
from workbench.simulate.blocks import run_launch
from workbench.simulate.launch import Counts, Options, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan
from workbench.simulate.program import Order
from workbench.simulate.ptx import read_module

# Lanes 0 and 1 meet one after the other and set a flag; the other lanes spin until it is set.
COMPANY = """
    .reg .pred %few; .reg .pred %one; .reg .pred %set; .reg .b32 %v; .reg .b64 %flag;
    ld.param.u64 %flag, [k_out];
    setp.lt.u32 %few, %n, 2;
    @%few bra PAIR;
SPIN: ld.volatile.global.u32 %v, [%flag];
    setp.ne.u32 %set, %v, 0;
    @!%set bra SPIN;
    bra DONE;
PAIR: setp.eq.u32 %one, %n, 1;
    @!%one bra MEET;
    nanosleep.u32 100;
MEET: bar.warp.sync 3;
    mov.u32 %v, 7;
    st.volatile.global.u32 [%flag], %v;
DONE:
"""
# Every lane takes one lock in turn, adds one, and gives it back.
LOCK = """
    .reg .pred %taken; .reg .b32 %v; .reg .b64 %lock;
    ld.param.u64 %lock, [k_out];
TRY: atom.global.cas.b32 %v, [%lock], 0, 1;
    setp.ne.u32 %taken, %v, 0;
    @%taken bra TRY;
    ld.volatile.global.u32 %v, [%lock+4];
    add.u32 %v, %v, 1;
    st.volatile.global.u32 [%lock+4], %v;
    membar.gl;
    atom.global.exch.b32 %v, [%lock], 0;
"""


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("body", "word", "value"), [(COMPANY, 0, 7), (LOCK, 1, 32)])
def test_who_waits_for_another_split_of_its_warp_goes_on(
    body: str, word: int, value: int, seed: int, structured: bool
) -> None:
    memory = Memory()
    memory.put("in", np.zeros(64, np.uint64))
    memory.put("out", np.zeros(64, np.uint64), writable=True)
    program = read_module(kernel(body)).program("k")
    program = replace(program, lowest_pc_first=structured, merge_at_equal_pc=structured)
    options = Options(seed=seed, instruction_limit=2_000_000)
    simulate(program, (1, 1, 1), (32, 1, 1), pointers(memory, "in", "out"), memory, options=options)
    assert memory.array("out").view(np.uint32)[word] == value


BLOCKS = 300


def doubled(options: Options, blocks: int = BLOCKS, ordered: bool = False) -> tuple[Counts, Memory]:
    """Numbers doubled by so many blocks of three warps."""
    memory = two_buffers(blocks * 96)
    program = doubling()
    if ordered:
        program.instructions[5] = replace(program.instructions[5], order=Order.ACQUIRE)
    block = pointers(memory, "x", "y")
    return run_launch(program, (blocks, 1, 1), (96, 1, 1), block, memory, options=options), memory


def test_a_few_blocks_are_counted_for_all_that_are_alike() -> None:
    whole, _ = doubled(Options())
    few, _ = doubled(Options(sample=True))
    np.testing.assert_array_equal(few.values, whole.values)
    assert few.sampled.endswith("of 300 blocks were run") and int(few.sampled.split()[0]) < 12 and not whole.sampled


def test_blocks_that_may_wait_for_each_other_are_all_run() -> None:
    counts, memory = doubled(Options(sample=True, threads=2), ordered=True)
    assert not counts.sampled and counts["executed"][0] == 3 * BLOCKS
    np.testing.assert_array_equal(memory.array("y"), 2 * np.arange(96 * BLOCKS))


def test_blocks_that_differ_are_all_run() -> None:
    """Eight bytes to the side, every second block of 100 bytes touches one sector more than its neighbour."""
    memory = two_buffers(BLOCKS * 25 + 32)
    block = pointers(memory, "x", "y")
    arguments = (doubling(), (BLOCKS, 1, 1), (25, 1, 1), block, memory)
    whole = run_launch(*arguments)
    few = run_launch(*arguments, options=Options(sample=True))
    np.testing.assert_array_equal(few.values, whole.values)
    assert not few.sampled


@pytest.mark.parametrize("blocks", [2, 7, BLOCKS])
def test_threads_count_and_compute_the_same(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(3)))
    alone, _ = doubled(Options(), blocks)
    together, memory = doubled(Options(threads=3), blocks)
    np.testing.assert_array_equal(together.values, alone.values)
    np.testing.assert_array_equal(memory.array("y"), 2 * np.arange(96 * blocks))


def test_a_scan_is_sampled_where_whole_blocks_are_alike() -> None:
    """Channels in blocks of 128, one of them cut: nine kinds of blocks at most."""
    case = Case("scan/serial", Shape.of("float32", B=8, T=6, H=128 * 40 + 32))
    plan, found = case.plan(), []
    for sample in (False, True):
        memory = Memory()
        for name in ("a", "b"):
            memory.put(name, np.ones((8, 6, case.shape["H"]), np.float32))
        memory.put("h0", None)
        memory.put("h", np.zeros((8, 6, case.shape["H"]), np.float32), writable=True)
        memory.put("h_last", np.zeros((8, case.shape["H"]), np.float32), writable=True)
        (counts,) = run_plan(plan, "float32", memory, binaries(plan, "float32"), "sm_90", Options(sample=sample))
        assert counts is not None
        found.append(counts)
    np.testing.assert_array_equal(found[0].values, found[1].values)
    assert found[1].sampled and int(found[1].sampled.split()[0]) < 60
