"""The floor of counted resources, by hand: a GPU of round figures, kernels of round counts."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.devices import Datasheet
from workbench.model.counted import (
    DRAM_CYCLES,
    L1_CYCLES,
    L2_CYCLES,
    LAUNCH_S,
    OTHER_CYCLES,
    SHARED_CYCLES,
    chain_cycles,
    counted_floor,
    kernel_times,
)
from workbench.model.floor import limits_of_device
from workbench.store.record import Chain, Simulated, SimulatedCounter, SimulatedKernel, Work

CLOCK = 1e9
GPU = Datasheet(
    name="h200", title="of round figures", driver_names=(), arch="sm_90", sms=10, l2_bytes=1000, boost_clock_hz=CLOCK,
    bandwidth_bytes_per_s=1e12, fp32_flops_per_s=10 * CLOCK * 2 * 128, l2_bytes_per_s=2e12, sources={},
)  # fmt: skip
CHAIN = Chain(instructions=9, issue_cycles=1000, global_trips=10, shared_trips=3, other_trips=2)


def counters(**values: float) -> list[SimulatedCounter]:
    names = {
        "inst": "smsp__inst_executed.sum",
        "wavefronts": "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_ld.sum",
        "sectors": "memory_l2_theoretical_sectors_global",
        "hit": "l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum",
        "miss": "l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum",
        "reads": "lts__t_sectors_srcunit_tex_op_read.sum",
        "kept": "lts__t_sectors_srcunit_tex_op_read_lookup_hit.sum",
        "written": "dram__bytes_write.sum",
    }
    return [SimulatedCounter(name=names[k], value=v, unit="", standing="") for k, v in values.items()]


def kernel(blocks: int = 10, **fields: Any) -> SimulatedKernel:
    base: dict[str, Any] = {"kernel": "k", "launches": 1, "grid": [blocks, 1, 1], "block": [128, 1, 1],
                            "blocks_per_sm": 2}  # fmt: skip
    return SimulatedKernel(**{**base, **fields})


def entry(*kernels: SimulatedKernel, **fields: Any) -> Simulated:
    base: dict[str, Any] = {"arch": "sm_90", "gpu": "h200", "swept": {"n": 1}, "axes": {"n": 1}}
    return Simulated(**{**base, "kernels": list(kernels), **fields})


def test_each_resource_takes_its_work_over_its_rate_on_the_busiest_sm() -> None:
    work = counters(inst=40_000, wavefronts=5_000, sectors=20_000, reads=10_000, written=80_000)
    opcodes = {"FFMA": 4_000, "FADD": 4_000, "IMAD": 2_000, "LOP3": 1_000, "MUFU": 500, "LDG": 3_000, "SHFL": 1_000}
    times = kernel_times(kernel(counters=work, opcodes=opcodes), GPU)
    assert times["issue"] == pytest.approx(40_000 / 10 / 4 / CLOCK)
    assert times["FP32"] == pytest.approx(8_000 * 32 / 10 / 128 / CLOCK)
    assert times["IMAD"] == pytest.approx(2_000 * 32 / 10 / 64 / CLOCK)
    assert times["ALU"] == pytest.approx(1_000 * 32 / 10 / 64 / CLOCK)
    assert times["XU"] == pytest.approx(500 * 32 / 10 / 16 / CLOCK)
    assert times["LSU"] == pytest.approx(4_000 / 10 / CLOCK)
    assert times["L1 and shared"] == pytest.approx((5_000 + 20_000 / 4) / 10 / CLOCK)
    assert times["L2"] == pytest.approx((10_000 * 32 + 80_000) / 2e12)
    assert times["launches"] == LAUNCH_S


def test_eleven_blocks_take_ten_sms_as_long_as_twenty() -> None:
    work = counters(inst=11_000)
    one, two = (kernel_times(kernel(blocks, counters=work), GPU)["issue"] for blocks in (11, 20))
    assert one == pytest.approx(11_000 * 2 / 11 / 4 / CLOCK) and two == pytest.approx(11_000 / 10 / 4 / CLOCK)


def test_the_chain_has_the_latency_of_where_loads_were_found() -> None:
    fixed = 1000 + 3 * SHARED_CYCLES + 2 * OTHER_CYCLES
    alone = kernel(chain=CHAIN)
    assert chain_cycles(alone) == fixed + 10 * L1_CYCLES  # nothing is known of the caches: the least that it can be
    cold = kernel(counters=counters(hit=0, miss=100, reads=100, kept=0))
    assert chain_cycles(alone, cold) == fixed + 10 * DRAM_CYCLES
    half = kernel(counters=counters(hit=50, miss=50, reads=50, kept=50))
    assert chain_cycles(alone, half) == fixed + 10 * (L1_CYCLES + L2_CYCLES) / 2


def test_blocks_that_do_not_fit_at_once_repeat_the_chain() -> None:
    """Two blocks per SM on ten SMs: 20 at once, so 21 take two rounds."""
    once, twice = (kernel_times(kernel(blocks, chain=CHAIN), GPU)["chain"] for blocks in (20, 21))
    assert once == pytest.approx(chain_cycles(kernel(chain=CHAIN)) / CLOCK) and twice == pytest.approx(2 * once)


def test_kernels_follow_each_other_and_the_largest_part_names_the_floor() -> None:
    busy = kernel(kernel="a", counters=counters(inst=4e8))
    waits = kernel(kernel="b", chain=CHAIN.model_copy(update={"issue_cycles": 1_000_000}))
    found = counted_floor(entry(busy, waits), GPU)
    assert found is not None and found.bound_by == "issue"
    parts = kernel_times(busy, GPU)["issue"] + kernel_times(waits, GPU)["chain"]
    assert found.seconds == pytest.approx(parts)


def test_memory_is_what_caches_moved_less_what_stays_between_launches_and_at_least_the_least() -> None:
    rate = limits_of_device("h200", "float32").bytes_per_s
    assert rate is not None
    one = counted_floor(entry(kernel(), moved_bytes=1e9, least=Work(bytes=10)), GPU)
    assert one is not None and one.bound_by == "DRAM" and one.seconds == pytest.approx(1e9 / rate)
    two = counted_floor(entry(kernel(launches=2), moved_bytes=1e9, least=Work(bytes=10)), GPU)
    assert two is not None and two.seconds == pytest.approx((1e9 - 1000) / rate)
    sampled = counted_floor(entry(kernel(), least=Work(bytes=10**9)), GPU)
    assert sampled is not None and sampled.seconds == pytest.approx(1e9 / rate)


def test_where_a_library_does_a_part_there_is_no_floor() -> None:
    assert counted_floor(entry(kernel(), beside=["matmul"]), GPU) is None
    assert counted_floor(entry(), GPU) is None
