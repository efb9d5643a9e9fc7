"""The floor of counted resources: the least time in which a GPU can do what machine code was counted to do.

Per kernel it is the time of the busiest of these, which work side by side; kernels follow each other, so theirs add up:

    DRAM               bytes over the bandwidth of memory
    L2                 bytes between L1 and L2 over its bandwidth, where that is known
    L1 and shared      wavefronts of shared memory, and a wavefront per 128 bytes of global memory: one per cycle and SM
    LSU                memory instructions and shuffles over the rate of load/store units
    FP32, IMAD, ALU, XU    instructions of each pipe over its rate
    issue              warp instructions over four per cycle and SM
    chain              what one warp waits for one thing after the other, times the rounds of blocks on an SM
    launches           the gap between two kernels

SMs get whole blocks: the busiest has ceil(blocks / SMs) of them. The chain, times its rounds, is Little's law: so many
warps can be resident, and each has so much under way before it waits. Everything is modelled, and a bound: a kernel
takes longer where resources do not overlap. What is not known does not bind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workbench.devices import Datasheet
from workbench.model.floor import LAUNCH_S, limits_of_device
from workbench.simulate.counters import DIRTY, SECTOR_BYTES
from workbench.store.record import Simulated, SimulatedKernel

WAVEFRONT_BYTES = 128
ISSUED = 4
"""Warp instructions per cycle and SM: one per scheduler (CUDA programming guide, compute capability 8.x and 9.0)."""
LANES = {"IMAD": 64, "ALU": 64}
"""Results per cycle and SM: the guide's table of throughput, 32-bit multiply-add of integers, comparison and logic. Of
FP32 the datasheet's rate says it, of XU (reciprocal, exponential) the architecture's limits."""
INTEGERS_KNOWN = ("sm_80", "sm_86", "sm_89", "sm_90")
"""Where IMAD and ALU of LANES hold. Of sm_120 NVIDIA's guide has 64 integer cores per SM and its white paper twice as
many; of the others since sm_100 no figure was found."""
LOAD_STORE = {"sm_80": 32, "sm_90": 32, "sm_86": 16, "sm_89": 16}
"""Load/store units per SM: NVIDIA's white papers of GA100, GH100, GA102 and AD102."""
OPCODES = {
    "FP32": ("FADD", "FMUL", "FFMA"),
    "IMAD": ("IMAD",),
    "ALU": ("IADD3", "LOP3", "ISETP", "SHF", "LEA", "PRMT", "SEL", "FSETP", "FSEL", "FMNMX", "IMNMX", "VIMNMX"),
    "XU": ("MUFU",),
    "LSU": ("LDG", "STG", "LDS", "STS", "LDL", "STL", "LD", "ST", "ATOM", "ATOMG", "ATOMS", "RED", "LDGSTS", "LDSM",
            "SHFL"),
}  # fmt: skip
L1_CYCLES = 29
"""The least latency that was published of each, so that the chain stays a bound. A load that hits L1, with one address
for the warp, on GA102: Huerta et al., Dissecting and Modeling the Architecture of Modern GPU Cores (arXiv 2503.20481).
An A100's is 33 (Abdelkhalik et al.) or 37.9 (Luo et al., below)."""
L2_CYCLES, DRAM_CYCLES = 200, 290
"""An A100: Abdelkhalik et al., Demystifying the Nvidia Ampere Architecture through Microbenchmarking and
Instruction-level Analysis (arXiv 2208.11174), latencies of memories. Luo et al., Benchmarking and Dissecting the Nvidia
Hopper GPU Architecture (arXiv 2402.13499), have 261.5 and 466 for it, 273 and 541.5 for an RTX 4090."""
SHARED_CYCLES = 23
"""A load on GA102: Huerta et al."""
OTHER_CYCLES = 10
"""Special functions, conversions, shuffles: chosen, below what is said of each of them (MUFU 18, SHFL 24); a published
table of them was not found."""


@dataclass(frozen=True)
class CountedFloor:
    """The least time, and the resource that takes the largest part of it."""

    seconds: float
    bound_by: str
    times: Mapping[str, float]
    """Resource → seconds that it needs alone, over all kernels."""


def counted_floor(entry: Simulated, gpu: Datasheet, whole: Simulated | None = None) -> CountedFloor | None:
    """The floor of a simulated variant on a GPU of its architecture. `whole`: the same variant where caches were
    modelled, if that is another entry: how often loads hit them is taken from there. None where nothing was counted,
    where a library does a part of the work, or where the GPU's clock is not known."""
    if not entry.kernels or entry.beside or gpu.boost_clock_hz is None:
        return None
    hits = {kernel.kernel: kernel for kernel in (whole or entry).kernels}
    each = [kernel_times(kernel, gpu, hits.get(kernel.kernel)) for kernel in entry.kernels]
    memory = _memory(entry, gpu)
    if len(each) == 1 and memory is not None:
        each[0]["DRAM"] = memory
    bound: dict[str, float] = {}
    for times in each:
        name = max(times, key=lambda resource: times[resource])
        bound[name] = bound.get(name, 0.0) + times[name]
    seconds = sum(bound.values())
    total = _added(each)
    if memory is not None:
        total["DRAM"] = memory
        if memory > seconds:
            return CountedFloor(memory, "DRAM", total)
    return CountedFloor(seconds, max(bound, key=lambda name: bound[name]), total)


def kernel_times(kernel: SimulatedKernel, gpu: Datasheet, hits: SimulatedKernel | None = None) -> dict[str, float]:
    """Seconds that each resource but DRAM needs for all launches of a kernel. `hits`: where caches were modelled."""
    assert gpu.boost_clock_hz is not None
    counters = {counter.name: counter.value for counter in kernel.counters}
    blocks = math.prod(kernel.grid)
    busiest = math.ceil(blocks / gpu.sms) / blocks
    """The share of the work that the busiest SM has."""

    def on_sms(work: float, per_cycle: float) -> float:
        return work * busiest / per_cycle / (gpu.boost_clock_hz or 1)

    times = {"launches": kernel.launches * LAUNCH_S}
    times["issue"] = on_sms(counters.get("smsp__inst_executed.sum", 0), ISSUED)
    for pipe, opcodes in OPCODES.items():
        if (lanes := _lanes(pipe, gpu)) is not None:
            work = sum(kernel.opcodes.get(opcode, 0) for opcode in opcodes)
            times[pipe] = on_sms(work * 32, lanes)
    shared = sum(counters.get(f"l1tex__data_pipe_lsu_wavefronts_mem_shared_op_{op}.sum", 0) for op in ("ld", "st"))
    sectors = counters.get("memory_l2_theoretical_sectors_global", 0)
    times["L1 and shared"] = on_sms(shared + sectors * SECTOR_BYTES / WAVEFRONT_BYTES, 1)
    if gpu.l2_bytes_per_s and "lts__t_sectors_srcunit_tex_op_read.sum" in counters:
        moved = counters["lts__t_sectors_srcunit_tex_op_read.sum"] * SECTOR_BYTES + _written(counters)
        times["L2"] = moved / gpu.l2_bytes_per_s
    if kernel.chain is not None:
        rounds = math.ceil(blocks / (gpu.sms * max(1, kernel.blocks_per_sm or 1)))
        times["chain"] = kernel.launches * rounds * chain_cycles(kernel, hits) / gpu.boost_clock_hz
    return times


def chain_cycles(kernel: SimulatedKernel, hits: SimulatedKernel | None = None) -> float:
    """Cycles that one warp of a kernel takes at least, alone on the machine."""
    chain = kernel.chain
    if chain is None:
        return 0.0
    waits = chain.shared_trips * SHARED_CYCLES + chain.other_trips * OTHER_CYCLES
    return chain.issue_cycles + chain.global_trips * _load_cycles(hits) + waits


def _load_cycles(kernel: SimulatedKernel | None) -> float:
    """Mean latency of a load from global memory, by the share that the caches had; L1's where that is not known."""
    counters = {} if kernel is None else {counter.name: counter.value for counter in kernel.counters}
    name = "l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_{}.sum"
    hit, missed = counters.get(name.format("hit"), 0), counters.get(name.format("miss"), 0)
    reads = counters.get("lts__t_sectors_srcunit_tex_op_read.sum", 0)
    kept = counters.get("lts__t_sectors_srcunit_tex_op_read_lookup_hit.sum", 0)
    if hit + missed == 0 and reads == 0:
        return L1_CYCLES
    first = hit / (hit + missed) if hit + missed else 0.0
    second = kept / reads if reads else 1.0
    return first * L1_CYCLES + (1 - first) * (second * L2_CYCLES + (1 - second) * DRAM_CYCLES)


def _written(counters: Mapping[str, float]) -> float:
    """Bytes that L2 took: what went back to memory, and what is to; of an older run the former is all of them."""
    return counters["dram__bytes_write.sum"] + counters.get(DIRTY, 0)


def _lanes(pipe: str, gpu: Datasheet) -> float | None:
    if pipe == "LSU":
        return LOAD_STORE.get(gpu.arch)
    if pipe == "FP32":
        assert gpu.boost_clock_hz is not None
        return gpu.fp32_flops_per_s / 2 / gpu.sms / gpu.boost_clock_hz if gpu.fp32_flops_per_s else None
    if pipe == "XU":
        return gpu.limits.special_per_sm_clock
    return LANES[pipe] if gpu.arch in INTEGERS_KNOWN else None


def _memory(entry: Simulated, gpu: Datasheet) -> float | None:
    """Seconds of DRAM: what the model of caches moved, less what L2 can keep from each launch to the next, and at least
    what any algorithm must move."""
    rate = limits_of_device(gpu.name, "float32").bytes_per_s
    if not rate:
        return None
    launches = sum(kernel.launches for kernel in entry.kernels)
    moved = (entry.moved_bytes or 0) - (launches - 1) * (gpu.l2_bytes or 0)
    return max(moved, entry.least.bytes or 0) / rate


def _added(each: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for times in each:
        for name, seconds in times.items():
            total[name] = total.get(name, 0.0) + seconds
    return total
