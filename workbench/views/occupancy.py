"""Occupancy: what the records say of each kernel, and what another launch would have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.compile.occupancy import occupancy, sweep
from workbench.devices import arch_limits, archs
from workbench.profile.derived import occupancy_limiter
from workbench.profile.metrics import combined
from workbench.store.launch import Launch

FACTS = (
    "arch", "kernel", "source", "registers", "shared_bytes", "stack_bytes", "spill_bytes", "code_bytes",
    "block_threads", "occupancy_theoretical", "occupancy_limiter",
)  # fmt: skip


def build_facts(records: pd.DataFrame) -> pd.DataFrame:
    """What each kernel of these records compiled to: a row per kernel and architecture of a record.

    Columns: run, key, operation, variant, shape, settings and FACTS, with the mix of its instructions as `sass_mix`.
    """
    rows: list[dict[str, Any]] = []
    names = ["run", "key", "operation", "variant", "shape", "settings"]
    for *own, text in records[[*names, "build"]].itertuples(index=False):
        for fact in json.loads(text) if isinstance(text, str) else ():
            mix = fact.get("sass_mix") or {}
            rows.append(dict(zip(names, own, strict=True)) | {f: fact.get(f) for f in FACTS} | {"sass_mix": mix})
    found = pd.DataFrame(rows, columns=[*names, *FACTS, "sass_mix"])
    return found.drop_duplicates(["run", "key", "arch", "kernel", "block_threads", "shared_bytes"])


def built(records: pd.DataFrame) -> pd.DataFrame:
    """The records that carry build facts."""
    return records[records["build"].notna() & (records["build"] != "[]")]


def by_kernel(facts: pd.DataFrame, launches: Mapping[tuple[str, str], Sequence[Launch]]) -> pd.DataFrame:
    """`build_facts` with what the counters saw of the same kernel: `occupancy_achieved`, `occupancy_by_ncu` and
    `limiter_by_ncu`; missing where it was not profiled."""
    rows = []
    for run, key, kernel in facts[["run", "key", "kernel"]].itertuples(index=False):
        seen = [launch for launch in launches.get((run, key), ()) if launch.kernel == kernel]
        figures = combined(seen) if seen else {}
        rows.append(
            (figures.get("occupancy_achieved"), figures.get("occupancy_theoretical"), occupancy_limiter(figures))
        )
    extra = pd.DataFrame(rows, index=facts.index, columns=["occupancy_achieved", "occupancy_by_ncu", "limiter_by_ncu"])
    return facts.join(extra)


def known_archs() -> list[str]:
    """Architectures whose limits are known, oldest first."""
    return sorted(archs(), key=lambda name: int(name[3:]))


def limits(arch: str) -> dict[str, int]:
    """How far a what-if goes: block threads, registers per thread, shared bytes per block, warps per SM."""
    known = arch_limits(arch)
    return {
        "block_threads": known.max_threads_per_block,
        "registers": known.registers_per_thread,
        "shared_bytes": known.shared_bytes_per_block,
        "warps": known.max_warps_per_sm,
    }


def what_if(arch: str, block_threads: int, registers: int, shared_bytes: int) -> tuple[dict[str, Any], pd.DataFrame]:
    """The occupancy of one launch, and three curves through it: over block size, registers and shared memory.

    Theoretical (modelled), by NVIDIA's calculator. The frame: axis, value, occupancy, limiter, warps, blocks.
    """
    known = arch_limits(arch)
    here = occupancy(arch, block_threads, registers, shared_bytes)
    step = max(512, known.shared_bytes_per_block // 128 // 512 * 512)
    sizes = sorted({*range(0, known.shared_bytes_per_block + 1, step), shared_bytes})
    blocks = sorted({*range(32, known.max_threads_per_block + 1, 32), block_threads})
    counts = sorted({*range(16, known.registers_per_thread + 1, 4), registers})
    rows = []
    for axis, points in (
        ("block_threads", sweep(arch, blocks, [registers], [shared_bytes])),
        ("registers", sweep(arch, [block_threads], counts, [shared_bytes])),
        ("shared_bytes", sweep(arch, [block_threads], [registers], sizes)),
    ):
        for point in points:
            found = point.occupancy
            rows.append(
                (axis, getattr(point, axis), found.fraction, found.limiter, found.warps_per_sm, found.blocks_per_sm)
            )
    curves = pd.DataFrame(rows, columns=["axis", "value", "occupancy", "limiter", "warps", "blocks"])
    answer = {
        "occupancy": here.fraction, "limiter": here.limiter, "blocks": here.blocks_per_sm, "warps": here.warps_per_sm,
        "most_warps": known.max_warps_per_sm, "limits": here.limits,
    }  # fmt: skip
    return answer, curves
