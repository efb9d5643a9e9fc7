"""The machine by itself, on programs written by hand: lanes, guards, divergence, memory, counters."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulate.launch import Options, SimulationFault, simulate
from workbench.simulate.memory import FIRST_ADDRESS, Memory
from workbench.simulate.program import File, Flow, Instruction, Program, Special


def doubling(stride_bytes: int = 4) -> Program:
    """y[i * stride] = 2 x[i * stride] for a global thread number i; addresses from the parameters."""
    file = File()
    thread, block, size = (file.special(s) for s in (Special.THREAD_X, Special.BLOCK_X, Special.THREADS_X))
    number, offset = file.rows(), file.rows(2)
    x, y, value = file.rows(2), file.rows(2), file.rows()
    file.constant(0)
    code = [
        Instruction("mul.lo.u32", (number, block, size)),
        Instruction("add.u32", (number, number, thread)),
        Instruction("mul.lo.u32", (offset, number, file.constant(stride_bytes))),
        Instruction("add.u64", (x, file.parameter(0, 2), offset)),
        Instruction("add.u64", (y, file.parameter(8, 2), offset)),
        Instruction("load", (x, value), text="load"),
        Instruction("add.u32", (value, value, value)),
        Instruction("store", (y, value), text="store"),
        Instruction(None, flow=Flow.EXIT),
    ]
    return Program("doubling", code, file, parameters=((0, 8), (8, 8)), parameter_bytes=16)


def pointers(memory: Memory, *names: str) -> bytes:
    return b"".join((memory.address(name) or 0).to_bytes(8, "little") for name in names)


def two_buffers(count: int) -> Memory:
    memory = Memory()
    memory.put("x", np.arange(count, dtype=np.uint32))
    memory.put("y", np.zeros(count, np.uint32), writable=True)
    return memory


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_thread_runs_once(seed: int) -> None:
    memory = two_buffers(7 * 96)
    counts = simulate(doubling(), (7, 1, 1), (96, 1, 1), pointers(memory, "x", "y"), memory, options=Options(seed=seed))
    np.testing.assert_array_equal(memory.array("y"), 2 * np.arange(7 * 96))
    assert counts["executed"].tolist() == [21] * 9 and counts["threads"].tolist() == [21 * 32] * 9
    assert counts["requests"].sum() == 42 and counts["sectors"].sum() == 2 * 21 * 4 and counts["tags"].sum() == 42


def test_a_last_warp_of_few_lanes_counts_its_lanes() -> None:
    memory = two_buffers(35)
    counts = simulate(doubling(), (1, 1, 1), (35, 1, 1), pointers(memory, "x", "y"), memory)
    np.testing.assert_array_equal(memory.array("y"), 2 * np.arange(35))
    assert counts["executed"][5] == 2 and counts["threads"][5] == 35 and counts["sectors"][5] == 4 + 1


@pytest.mark.parametrize(("stride", "sectors", "tags"), [(4, 4, 1), (8, 8, 2), (32, 32, 8), (128, 32, 32)])
def test_sectors_and_tags_by_stride(stride: int, sectors: int, tags: int) -> None:
    memory = two_buffers(32 * stride // 4)
    counts = simulate(doubling(stride), (1, 1, 1), (32, 1, 1), pointers(memory, "x", "y"), memory)
    assert counts["sectors"][5] == sectors and counts["tags"][5] == tags and counts["sectors_ideal"][5] == 4


def test_a_load_behind_a_buffer_names_it_and_its_lane() -> None:
    memory = two_buffers(40)
    with pytest.raises(SimulationFault, match=r"stray_read: a load of 4 bytes 0 bytes behind the end of x .*lane 8"):
        simulate(doubling(), (1, 1, 1), (64, 1, 1), pointers(memory, "x", "y"), memory)


def test_a_store_to_an_input_and_a_null_pointer_are_faults() -> None:
    memory = two_buffers(64)
    with pytest.raises(SimulationFault, match="stray_write: a store to x, which is an input"):
        simulate(doubling(), (1, 1, 1), (64, 1, 1), pointers(memory, "x", "x"), memory)
    with pytest.raises(SimulationFault, match="through a null pointer"):
        simulate(doubling(), (1, 1, 1), (64, 1, 1), bytes(8) + pointers(memory, "y"), memory)
    with pytest.raises(SimulationFault, match="misaligned"):
        odd = (FIRST_ADDRESS + 2).to_bytes(8, "little") + pointers(memory, "y")
        simulate(doubling(), (1, 1, 1), (32, 1, 1), odd, memory)
