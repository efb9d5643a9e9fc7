"""Launches of a plan as the simulator runs them: what they are compiled to, what an SM holds of each, which caches
stand behind it, and whether what was declared agrees with what was moved."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.compile import Binary, Unit, all_built, build_units, kernels_of, occupancy, unit_of, units_of
from workbench.compile.ptx import ptx_of_units
from workbench.compile.units import HOST
from workbench.declare import Clear, Plan, Step
from workbench.devices import arch_limits, device
from workbench.problem import SourceError
from workbench.simulate.counters import DIRTY, SECTOR_BYTES, Level
from workbench.simulate.launch import Options
from workbench.simulate.sass.cubin import kernel_of
from workbench.steps import Launch, Source, kind_of, leaves_of, unrolled

L1_BESIDE_SHARED = 28 << 10
"""An SM's first-level cache and shared memory are one: so much more than shared memory alone may have, on every
architecture from sm_80 to sm_120."""
IN_LOCK_STEP = 40
"""Instructions per turn where caches are modelled: warps advance side by side."""
SPILLED_SECTORS = "l1tex__t_sectors_pipe_lsu_mem_local_op_st.sum"
TOLERANCE = 0.05
"""Of declared bytes: sectors at the edges of tensors are touched whole."""


def binaries_of(
    plan: Plan, dtype: str, arch: str, level: Level, what: str = "does not compile", given: Path | None = None
) -> dict[Unit, Binary | Path]:
    """The plan's kernels as PTX or machine code, and its host functions as libraries. `given` is a file that takes the
    place of whatever its kernels would be compiled to. Raises SourceError with `what` where one does not compile."""
    units = units_of(plan, dtype, [arch])
    kernels, hosts = [u for u in units if u.arch != HOST], [u for u in units if u.arch == HOST]
    found: dict[Unit, Binary | Path] = {}
    if given is not None:
        found, kernels = dict.fromkeys(kernels, given), []
    outcomes = ptx_of_units(kernels) if level is Level.PTX else build_units(kernels, jobs=1)
    return found | all_built({**outcomes, **build_units(hosts, jobs=1)}, what)


def launch_of(step: Step) -> Launch | None:
    return kind_of(step).launch(step)


def alike(step: Step) -> Hashable:
    """What launches of the same occupancy and the same number of waves share."""
    launch = launch_of(step)
    return kind_of(step).compiled(step), launch and launch.grid


def suffix_by_step(plan: Plan) -> Callable[[Step], str]:
    """What follows the name of a step's kernel: nothing; where the plan has a function compiled in several ways, the
    file, defines and options that not all of them have."""
    sources = [kind_of(step).source(step) for step in leaves_of(plan.steps) if launch_of(step) is not None]
    kernels = list(dict.fromkeys(source for source in sources if source is not None))
    words = {k: [k.path.name, *(f"{name}={value}" for name, value in k.defines), *k.options] for k in kernels}
    found: dict[Source | None, str] = {}
    for kernel in kernels:
        of_function = [words[other] for other in kernels if other.function == kernel.function]
        own = [word for word in words[kernel] if not all(word in others for others in of_function)]
        found[kernel] = "".join(f" {word}" for word in own)
    return lambda step: found[kind_of(step).source(step)]


def occupied(
    step: Any, binaries: Mapping[Unit, Binary | Path], dtype: str, arch: str, gpu: str
) -> dict[str, Any]:  # fmt: skip
    """Registers, shared memory, occupancy and waves of a launch."""
    launch = launch_of(step)
    assert launch is not None
    binary = binaries[unit_of(step, dtype, arch)]
    if isinstance(binary, Path):
        facts = kernel_of(binary, step.function)
        registers, barriers = facts.registers, 1
        shared = facts.static_shared - facts.reserved_shared + launch.shared_bytes
    else:
        known = kernels_of(binary)
        if step.function not in known:
            raise SourceError(f"{step.source}: no kernel {step.function}; it holds {', '.join(sorted(known))}")
        own = known[step.function].resources
        registers, barriers = own.registers, own.barriers
        shared = own.shared_bytes + launch.shared_bytes + binary.launch_needs[0]
    threads = int(np.prod(launch.block))
    state = occupancy(arch, threads, registers, shared, barriers)
    places = state.blocks_per_sm * device(gpu).sms
    return {
        "registers": registers, "shared_bytes": shared, "block_threads": threads, "occupancy": state.fraction,
        "limiter": state.limiter, "blocks_per_sm": state.blocks_per_sm,
        "waves": float(np.prod(launch.grid, dtype=np.float64)) / places if places else None,
    }  # fmt: skip


def behind_caches(known: Mapping[str, Any], arch: str, gpu: str, seed: int = 0) -> Options | None:
    """Options for a launch whose blocks fill a GPU and whose caches are modelled; `known` is what `occupied` gives.
    None where the size of the GPU's L2 is not known."""
    chip, limits = device(gpu), arch_limits(arch)
    if chip.l2_bytes is None:
        return None
    per_sm = max(1, known["blocks_per_sm"])
    beside = per_sm * (known["shared_bytes"] + limits.shared_bytes_reserved)
    first = max(L1_BESIDE_SHARED, limits.shared_bytes_per_sm + L1_BESIDE_SHARED - beside)
    return Options(
        seed=seed, resident=chip.sms * per_sm, multiprocessors=chip.sms, quantum=IN_LOCK_STEP,
        first_cache_bytes=first, second_cache_bytes=chip.l2_bytes, second_cache_partitions=limits.l2_partitions,
    )  # fmt: skip


def totals(counters: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Counters of several kernels added up by name."""
    found: dict[str, float] = {}
    for name, value in counters:
        found[name] = found.get(name, 0) + value
    return found


def moved_bytes(figures: Mapping[str, float], plan: Plan) -> float | None:
    """Bytes of DRAM by the model of caches, with those that are to go back when a launch ends and those that clears
    write: a lower bound. None where caches were not modelled, or where a library or the host does a part of the work,
    which is not counted."""
    if "dram__bytes_read.sum" not in figures or unwatched(plan):
        return None
    written = figures["dram__bytes_write.sum"] + figures.get(DIRTY, 0)
    return figures["dram__bytes_read.sum"] + written + _cleared(plan)


def against_declared(figures: Mapping[str, float], plan: Plan, declared: int, cache_bytes: int | None) -> list[str]:
    """Where declared bytes and what the machine code moved contradict each other. `figures`: totals of all kernels;
    `cache_bytes`: of the GPU's L2. Each launch is modelled with cold caches, so that several of them move less than
    that where L2 keeps what they share: as much as it holds, from each to the next. Spilled registers, which no
    declaration has, are left out: at most what is stored of them goes to DRAM."""
    moved = moved_bytes(figures, plan)
    if moved is None:
        return []
    moved -= figures.get(SPILLED_SECTORS, 0) * SECTOR_BYTES
    asked = figures["memory_l2_theoretical_sectors_global"] * SECTOR_BYTES + _cleared(plan)
    between = sum(launch_of(step) is not None for step in unrolled(plan.steps)) - 1
    if moved - between * (cache_bytes or 0) > declared * (1 + TOLERANCE) + 64 * SECTOR_BYTES:
        return [f"declares {declared:,} bytes of traffic and touches {moved:,.0f} at least (simulated)"]
    if asked < declared * (1 - TOLERANCE) and not figures.get("smsp__inst_executed_op_ldgsts.sum"):
        return [f"declares {declared:,} bytes of traffic and asks for {asked:,.0f} in all (simulated)"]
    return []


def _cleared(plan: Plan) -> int:
    return sum(t.nbytes for t in plan.scratch for step in unrolled(plan.steps) if step == Clear(t.name))


def unwatched(plan: Plan) -> list[str]:
    """Steps that are a function's work, of a library or of the host: nothing of it is counted."""
    kinds = [(kind_of(step), step) for step in leaves_of(plan.steps)]
    own = [kind.shown(step) for kind, step in kinds if kind.launch(step) is None and kind.signature(step) is not None]
    return list(dict.fromkeys(own))
