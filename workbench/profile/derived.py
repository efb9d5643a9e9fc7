"""What counters say about a record: figures that need both, and declarations that the counters contradict.

Everything here is derived from measured values; a part whose metrics are missing is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workbench.profile.metrics import combined, missing_figures
from workbench.quantity import quantity
from workbench.store.launch import Launch
from workbench.store.record import Record

CONTRADICTION = 0.10
"""A declaration is contradicted where the counters are off by more than this share of it."""

LIMITERS = {
    "blocks_limit_registers": "registers",
    "blocks_limit_shared_mem": "shared memory",
    "blocks_limit_warps": "warps",
    "blocks_limit_blocks": "blocks",
    "blocks_limit_barriers": "barriers",
}


@dataclass(frozen=True)
class Derived:
    """The launches of one record, together, beside what the record declares."""

    figures: Mapping[str, float]
    """Figures of metrics.json over all launches."""
    missing: Mapping[str, Sequence[str]]
    """Figures that these launches do not give, with the metrics that would."""
    launches_counted: int
    launches_declared: int | None
    dram_bytes: float | None
    """Read plus written, all launches."""
    bytes_over_declared: float | None
    bytes_over_least: float | None
    bandwidth_bytes_per_s: float | None
    """Counted bytes over the sweep's median time; where the record has no time, over the time under ncu."""
    bandwidth_under_profiler: bool
    ceiling_bytes_per_s: float | None
    ceiling_from: str | None
    """`this run's copy` (measured), or `DRAM's peak` (at the clock of the launch)."""
    share_of_ceiling: float | None
    occupancy_achieved: float | None
    occupancy_theoretical: float | None
    occupancy_limiter: str | None
    stalls: Sequence[tuple[str, float]]
    """Where a warp's time goes between two instructions: reason and share, the greatest first. `selected` is
    the share in which it issued."""
    contradictions: Sequence[str] = field(default=())


def derive(record: Record, launches: Sequence[Launch], ceilings: Mapping[str, float]) -> Derived:
    """The launches of one record set against it and against the ceilings of its run."""
    figures = combined(launches)
    dram = dram_bytes(figures)
    seconds = record.time.median_s if record.time else figures.get("duration_s")
    bandwidth = dram / seconds if dram is not None and seconds else None
    if bandwidth is None and record.time is None:
        bandwidth = figures.get("dram_bytes_per_s")
    ceiling, source = _ceiling(figures, ceilings)
    return Derived(
        figures=figures,
        missing=missing_figures(launches),
        launches_counted=len(launches),
        launches_declared=record.declared.launches,
        dram_bytes=dram,
        bytes_over_declared=_over(dram, record.declared.bytes),
        bytes_over_least=_over(dram, record.least.bytes),
        bandwidth_bytes_per_s=bandwidth,
        bandwidth_under_profiler=record.time is None,
        ceiling_bytes_per_s=ceiling,
        ceiling_from=source,
        share_of_ceiling=_over(bandwidth, ceiling),
        occupancy_achieved=figures.get("occupancy_achieved"),
        occupancy_theoretical=figures.get("occupancy_theoretical"),
        occupancy_limiter=occupancy_limiter(figures),
        stalls=stall_shares(figures),
        contradictions=contradictions(record, launches, dram),
    )


def dram_bytes(figures: Mapping[str, float]) -> float | None:
    """Bytes read and written: their sum where a report has both, else what it counts of them together, else rate times
    duration. One direction alone is not the whole."""
    both = _sum(figures, "dram_read_bytes", "dram_write_bytes")
    if both is not None:
        return both
    if "dram_bytes" in figures:
        return figures["dram_bytes"]
    rate, seconds = figures.get("dram_bytes_per_s"), figures.get("duration_s")
    return rate * seconds if rate is not None and seconds else None


def _ceiling(figures: Mapping[str, float], ceilings: Mapping[str, float]) -> tuple[float | None, str | None]:
    if ceilings.get("copy_bytes_per_s"):
        return ceilings["copy_bytes_per_s"], "this run's copy"
    if "dram_peak_bytes_per_s" in figures:
        return figures["dram_peak_bytes_per_s"], "DRAM's peak"
    return None, None


def occupancy_limiter(figures: Mapping[str, float]) -> str | None:
    """What allows the fewest blocks on an SM; several where they tie."""
    limits = {words: figures[name] for name, words in LIMITERS.items() if name in figures}
    if not limits:
        return None
    least = min(limits.values())
    return " and ".join(words for words, blocks in limits.items() if blocks == least)


def stall_shares(figures: Mapping[str, float]) -> list[tuple[str, float]]:
    """Stall reasons as shares of a warp's time between two issued instructions, the greatest first."""
    warps = {name.removeprefix("stall_"): value for name, value in figures.items() if name.startswith("stall_")}
    total = sum(warps.values())
    if not total:
        return []
    shares = ((reason.replace("_", " "), value / total) for reason, value in warps.items())
    return sorted(shares, key=lambda pair: pair[1], reverse=True)


def contradictions(record: Record, launches: Sequence[Launch], dram: float | None) -> list[str]:
    """Declarations of the record that these launches contradict, a sentence each."""
    found = []
    declared = record.declared.launches
    if declared and launches and abs(len(launches) - declared) > CONTRADICTION * declared:
        found.append(f"declares {declared:,} launches, {len(launches):,} were counted")
    bytes_declared = record.declared.bytes
    if bytes_declared and dram is not None:
        # What was written last stays in L2 and never reaches the DRAM counters within the launch.
        in_l2 = max((launch.number("device__attribute_l2_cache_size") or 0.0 for launch in launches), default=0.0)
        if dram > (1 + CONTRADICTION) * bytes_declared or dram + in_l2 < (1 - CONTRADICTION) * bytes_declared:
            found.append(
                f"declares {quantity(bytes_declared, 'B')} of DRAM traffic, {quantity(dram, 'B')} "
                f"were counted ({dram / bytes_declared:.2f} times)"
            )
    for fact in record.build:
        counted = [one for one in launches if fact.kernel in (one.kernel, one.demangled)]
        theoretical = combined(counted).get("occupancy_theoretical") if counted else None
        modelled = fact.occupancy_theoretical
        if modelled and theoretical is not None and abs(theoretical - modelled) > CONTRADICTION * modelled:
            found.append(
                f"{fact.kernel}: theoretical occupancy is {100 * modelled:.0f} % by the build facts, "
                f"{100 * theoretical:.0f} % by ncu"
            )
    return found


def _sum(figures: Mapping[str, float], *names: str) -> float | None:
    values = [figures[name] for name in names if name in figures]
    return sum(values) if len(values) == len(names) else None


def _over(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else value / base
