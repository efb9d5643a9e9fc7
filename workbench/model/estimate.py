"""An estimate of a kernel's time on a GPU that is not at hand, from what its machine code was counted to do.

Where `counted.py` gives the least time, this says about how long: with usual latencies in place of the least ones, and
with what keeps memory from giving its bandwidth. Everything is modelled; nothing was measured.

    bytes in flight    a warp asks for so many bytes before its first wait; so many warps are resident. Memory gives at
                       most bytes in flight / latency (Little 1961), and at most its bandwidth
    waves              blocks run in rounds of SMs x blocks per SM; a last round of few blocks has few bytes in flight
    chain              what one warp waits for one thing after the other, times the rounds
    others             the resources of `counted.py`, each over its rate on the busiest SM

Kernels follow each other; within one, the slowest of these sets the time. A count at another shape is scaled: work as
declared bytes grow, blocks and launches as the plan says, the chain as declared serial steps grow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from workbench.devices import Datasheet
from workbench.model.counted import kernel_times
from workbench.model.floor import limits_of_device
from workbench.simulate.counters import SECTOR_BYTES
from workbench.store.record import Simulated, SimulatedKernel, Work

L1_CYCLES, L2_CYCLES, DRAM_CYCLES = 40, 270, 600
"""Usual latencies (counted.py has the least ones). Luo et al. (arXiv 2402.13499): L1 37.9, L2 261.5, memory 466 of an
A100; 43.4, 273, 541.5 of an RTX 4090. The table of github.com/markdewing/AI_kernels, latency: 40, 281, 690 of a GH200;
40, 296, 636 of an RTX 4090. L1 and L2 are near the middle of these; memory's is chosen between them."""
SHARED_CYCLES = 23
"""Huerta et al. (arXiv 2503.20481), a load on GA102."""
OTHER_CYCLES = 20
"""Special functions, conversions, shuffles: chosen, between what is said of MUFU (18) and of SHFL (24); a published
table of them was not found."""
LANE_BYTES = 4
"""Of a register."""
COPIES = ("LDGSTS", "UBLKCP", "UTMALDG")
"""Opcodes of loads that go to shared memory, and are under way without a register."""


@dataclass(frozen=True)
class Extent:
    """What a plan launches at a shape, and what is declared of it."""

    launches: int
    blocks: int
    """Over all launches."""
    declared: Work
    least: Work


@dataclass(frozen=True)
class Estimate:
    """About how long, and why. Modelled."""

    seconds: float
    bound_by: str
    """What takes the largest part: `bandwidth`, `bytes in flight`, `chain`, `launches`, or a resource of counted.py."""
    in_flight: float
    """Bytes that all resident warps have asked for, in the kernel that takes longest."""
    needed: float
    """Bytes in flight at which memory gives its bandwidth: bandwidth x latency."""
    waves: float
    """Rounds of blocks of that kernel, with a fraction."""
    busy_sms: float
    """Share of the SMs that have a block of it, on average over the rounds."""
    scaled: bool
    """Whether it was counted at another shape."""
    next_seconds: float
    """What the second slowest of all takes, over all kernels: how far what binds is from it tells variants apart that
    the same memory gives the same time. Added to `seconds` it is the time where the two do not overlap at all."""
    next_by: str
    """That of the kernel that takes longest; empty where nothing else takes time."""


@dataclass(frozen=True)
class _Kernel:
    seconds: float
    bound_by: str
    next_seconds: float
    next_by: str
    in_flight: float
    waves: float
    busy_sms: float


def estimate(
    entry: Simulated, gpu: Datasheet, at: Extent, counted: Extent, whole: Simulated | None = None
) -> Estimate | None:
    """The estimate at the shape of `at` for an entry that was counted at that of `counted`. `whole`: the same variant
    where caches were modelled. None where nothing was counted, where a library does a part of the work, or where the
    GPU's clock or bandwidth is not known."""
    rate = limits_of_device(gpu.name, "float32").bytes_per_s
    if not entry.kernels or entry.beside or gpu.boost_clock_hz is None or not rate or not counted.declared.bytes:
        return None
    work = (at.declared.bytes or 0) / counted.declared.bytes
    launches, blocks = at.launches / max(1, counted.launches), at.blocks / max(1, counted.blocks)
    steps = (at.declared.serial_steps or 1) / max(1, counted.declared.serial_steps or 1)
    moved = _moved(entry, whole, at, gpu)
    sectors = sum(_counter(kernel, "memory_l2_theoretical_sectors_global") for kernel in entry.kernels)
    hits = {kernel.kernel: kernel for kernel in (whole or entry).kernels}
    found = []
    for kernel in entry.kernels:
        share = (
            _counter(kernel, "memory_l2_theoretical_sectors_global") / sectors if sectors else 1 / len(entry.kernels)
        )
        larger = _scaled(kernel, work, launches, blocks, steps)
        found.append(_kernel(larger, gpu, moved * share, rate, hits.get(kernel.kernel)))
    longest = max(found, key=lambda one: one.seconds)
    return Estimate(
        seconds=sum(one.seconds for one in found),
        bound_by=longest.bound_by,
        in_flight=longest.in_flight,
        needed=rate * DRAM_CYCLES / gpu.boost_clock_hz,
        waves=longest.waves,
        busy_sms=longest.busy_sms,
        scaled=at != counted,
        next_seconds=sum(one.next_seconds for one in found),
        next_by=longest.next_by,
    )


@dataclass(frozen=True)
class _Scaled:
    """A kernel as it would have been counted at another shape."""

    kernel: SimulatedKernel
    launches: float
    blocks: float
    """Of one launch."""
    work: float
    """Times what was counted."""
    chain: float
    """Times the chain that was followed, of one launch."""


def _scaled(kernel: SimulatedKernel, work: float, launches: float, blocks: float, steps: float) -> _Scaled:
    own_blocks = math.prod(kernel.grid)
    warps = own_blocks * _warps(kernel) * kernel.launches
    followed = 1.0
    if kernel.chain is not None and not kernel.chain.whole and kernel.chain.instructions:
        each = _counter(kernel, "smsp__inst_executed.sum") / warps
        followed = max(1.0, each / kernel.chain.instructions)
    return _Scaled(
        kernel, kernel.launches * launches, max(1.0, own_blocks * blocks / launches), work, followed * steps / launches
    )


def _kernel(one: _Scaled, gpu: Datasheet, moved: float, rate: float, hits: SimulatedKernel | None) -> _Kernel:
    """Seconds of all launches of one kernel that moves so many bytes in them."""
    assert gpu.boost_clock_hz is not None
    kernel, clock = one.kernel, gpu.boost_clock_hz
    slots = gpu.sms * max(1, kernel.blocks_per_sm or 1)
    rounds = math.ceil(one.blocks / slots)
    per_warp = in_flight_of_warp(kernel)
    latency = DRAM_CYCLES / clock
    memory, busy = 0.0, 0.0
    most = 0.0
    for number, resident in ((one.blocks // slots, slots), (1, one.blocks % slots)):
        if not number or not resident:
            continue
        under_way = resident * _warps(kernel) * per_warp
        most = max(most, under_way)
        given = min(rate, under_way / latency) if under_way else rate
        memory += number * moved * (resident / one.blocks) / given
        busy += number * min(1.0, resident / gpu.sms) / rounds
    times = {name: seconds * one.work for name, seconds in _rates(one, gpu, hits).items()}
    starved = memory > 1.02 * moved / rate
    times["bytes in flight" if starved else "bandwidth"] = memory
    times["chain"] = one.launches * rounds * one.chain * _chain_cycles(kernel, hits) / clock
    name, *others = sorted((one for one in times if times[one] > 0), key=lambda one: -times[one]) or ["bandwidth"]
    second = others[0] if others else ""
    gaps = one.launches * (limits_of_device(gpu.name, "float32").launch_s or 0.0)
    seconds = times[name] + gaps
    bound_by = name if times[name] >= gaps else "launches"
    return _Kernel(seconds, bound_by, times.get(second, 0.0), second, most, one.blocks / slots, busy)


def _rates(one: _Scaled, gpu: Datasheet, hits: SimulatedKernel | None) -> dict[str, float]:
    """Seconds of the resources that are rates, as counted, with the busiest SM's share at the larger grid."""
    kernel = one.kernel
    own = math.prod(kernel.grid)
    counted, larger = (math.ceil(blocks / gpu.sms) / blocks for blocks in (own, one.blocks))
    times = kernel_times(kernel, gpu, hits)
    return {
        name: seconds if name == "L2" else seconds * larger / counted
        for name, seconds in times.items()
        if name not in ("launches", "chain")
    }


def in_flight_of_warp(kernel: SimulatedKernel) -> float:
    """Bytes that a warp has asked for when it first waits for memory: what it loads over how often it waits, and no
    more than its registers can take. Where copies go to shared memory: its share of the block's, which they fill."""
    if kernel.shared_bytes and any(kernel.opcodes.get(opcode) for opcode in COPIES):
        return kernel.shared_bytes / _warps(kernel)
    warps = math.prod(kernel.grid) * _warps(kernel) * kernel.launches
    loaded = _counter(kernel, "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum") * SECTOR_BYTES / warps
    chain = kernel.chain
    trips = 1.0
    if chain is not None and chain.global_trips:
        each = _counter(kernel, "smsp__inst_executed.sum") / warps
        trips = chain.global_trips * (1.0 if chain.whole or not chain.instructions else each / chain.instructions)
    return min(loaded / max(1.0, trips), 32.0 * LANE_BYTES * (kernel.registers or 255))


def _chain_cycles(kernel: SimulatedKernel, hits: SimulatedKernel | None) -> float:
    """Cycles that one warp takes alone on the machine, at usual latencies."""
    chain = kernel.chain
    if chain is None:
        return 0.0
    first = _share(hits, "l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum",
                   "l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum")  # fmt: skip
    kept, reads = (
        _counter(hits, name) if hits is not None else 0.0
        for name in ("lts__t_sectors_srcunit_tex_op_read_lookup_hit.sum", "lts__t_sectors_srcunit_tex_op_read.sum")
    )
    second = kept / reads if reads else 0.0
    load = first * L1_CYCLES + (1 - first) * (second * L2_CYCLES + (1 - second) * DRAM_CYCLES)
    waits = chain.shared_trips * SHARED_CYCLES + chain.other_trips * OTHER_CYCLES
    return chain.issue_cycles + chain.global_trips * load + waits


def _share(kernel: SimulatedKernel | None, part: str, rest: str) -> float:
    some, others = (_counter(kernel, name) if kernel is not None else 0.0 for name in (part, rest))
    return some / (some + others) if some + others else 0.0


def _moved(entry: Simulated, whole: Simulated | None, at: Extent, gpu: Datasheet) -> float:
    """DRAM bytes at the shape asked for: what was counted over what was declared there, times what is declared here;
    less what L2 can keep from one launch to the next, and no less than any algorithm moves.

    L2 keeps what a launch moved for the next where all of it fits. A launch that moves more has put out the beginning
    of it by the time the next one begins there, and what a small count found in L2 is then no longer there."""
    seen, l2 = whole or entry, gpu.l2_bytes or 0
    declared, before = at.declared.bytes or 0, seen.declared.bytes or 0
    ratio = seen.moved_bytes / before if seen.moved_bytes and before else 1.0
    fits = declared <= l2 * at.launches
    if at.launches > 1 and not fits and before <= l2 * sum(kernel.launches for kernel in seen.kernels):
        ratio = max(1.0, ratio)
    kept = (at.launches - 1) * l2 if fits else 0
    return max(ratio * declared - kept, float(at.least.bytes or 0))


def _warps(kernel: SimulatedKernel) -> int:
    """Of a block."""
    return -(-math.prod(kernel.block) // 32)


def _counter(kernel: SimulatedKernel, name: str) -> float:
    return next((counter.value for counter in kernel.counters if counter.name == name), 0.0)
