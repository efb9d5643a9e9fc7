"""What binds launches, and what their counters speak of: the workbench's own reading, of a kernel of any kind.

Nsight Compute's rules estimate gains; this names the one resource that is used most, or what warps wait for where none
is used much, and what is done for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.profile.derived import occupancy_limiter, stall_shares
from workbench.profile.metrics import combined, figures
from workbench.quantity import quantity
from workbench.store.launch import Launch

BUSY = 0.6
"""Share of its peak under which no resource binds: Nsight Compute's rule SOLBottleneck calls a launch bound by latency
where both memory and SM stay under 60 %."""
RESOURCES = {
    "memory_share": {"dram_share": "DRAM", "l2_share": "L2", "l1_share": "L1 and shared memory"},
    "sm_share": {"issue_share": "issue slots", "xu_share": "special-function pipe", "fma_share": "FP32 pipe",
                 "tensor_share": "tensor pipe"},
}  # fmt: skip
"""Each side's busiest part, and its parts that have a figure of their own. Those of an SM are shares of the cycles in
which it worked, the side's is one of all cycles: a part cannot be used more than its side is."""
SIDES = {"memory_share": "memory system", "sm_share": "SM pipes"}
APART = 0.05
"""A side is named itself where it is so much above the largest of its named parts."""
FEW_LANES, MANY_SECTORS, LARGE_TAIL = 24.0, 16.5, 0.75
WAITED = ("selected", "not selected")
LATENCY = "latency"


@dataclass(frozen=True)
class Binding:
    """The resource that binds, and how much of its peak is used; `latency` where none is used much, with the share of
    the one that is used most."""

    resource: str
    share: float

    @property
    def words(self) -> str:
        if self.resource == LATENCY:
            return f"{LATENCY}: nothing over {quantity(self.share, '%')} of its peak"
        return f"{self.resource}, {quantity(self.share, '%')} of its peak"


def binding(values: Mapping[str, float]) -> Binding | None:
    """What binds launches with these figures (`metrics.combined`); None where no share of a peak is known."""
    known: dict[str, float] = {}
    for side, parts in RESOURCES.items():
        most = values.get(side)
        own = {words: values[name] for name, words in parts.items() if name in values}
        known |= {words: share if most is None else min(share, most) for words, share in own.items()}
        if most is not None and most > max(own.values(), default=0.0) + APART:
            known[SIDES[side]] = most
    if not known:
        return None
    resource = max(known, key=lambda words: known[words])
    return Binding(resource if known[resource] >= BUSY else LATENCY, known[resource])


def by_kernel(launches: Sequence[Launch]) -> dict[str, list[Launch]]:
    """Launches by the whole name of their kernel, in the order in which they ran first."""
    found: dict[str, list[Launch]] = {}
    for launch in launches:
        found.setdefault(launch.demangled, []).append(launch)
    return found


def diagnosis(launches: Sequence[Launch]) -> list[str]:
    """Sentences about the launches of one kernel, the most telling first; none where it has too few counters."""
    values = combined(launches)
    found = binding(values)
    said = [] if found is None else [_bound(found, values)]
    said += [
        sentence
        for sentence in (
            _grid(values, launches),
            _accesses(values),
            _conflicts(values),
            _spills(values),
            _lanes(values),
        )
        if sentence
    ]
    return said


def _bound(found: Binding, values: Mapping[str, float]) -> str:
    used = f"{quantity(found.share, '%')} of its peak"
    if found.resource != LATENCY:
        more = "fewer bytes, or bytes that stay in a cache," if found.resource == "DRAM" else "less work of that kind"
        return f"bound by {found.resource}, at {used}: only {more} can make it quicker"
    stalls = [(reason, share) for reason, share in stall_shares(values) if reason not in WAITED]
    said = f"no resource is used much (the most at {used}): it waits"
    if stalls:
        reason, share = stalls[0]
        figure = figures()[f"stall_{reason.replace(' ', '_')}"]
        advice = figure.good.partition("; ")[2] or figure.good
        said += f", {quantity(share, '%')} of the time for {reason} ({advice.rstrip('.')})"
    return said


def _grid(values: Mapping[str, float], launches: Sequence[Launch]) -> str:
    """A grid that leaves SMs without work, or a last wave that does."""
    every, waves = values.get("grid_blocks"), values.get("waves")
    blocks = every / len(launches) if every is not None else None  # a sum over the launches
    multiprocessors = next(
        (n for launch in launches if (n := launch.number("device__attribute_multiprocessor_count"))), None
    )
    if blocks is not None and multiprocessors and blocks < multiprocessors:
        return f"{blocks:,.0f} blocks on {multiprocessors:,.0f} SMs: the others have nothing to do"
    if waves is not None and 1 < waves < 4 and (tail := waves % 1) and tail < LARGE_TAIL:
        return f"{waves:.2f} waves of blocks: the last one fills {quantity(tail, '%')} of the chip"
    achieved, most = values.get("occupancy_achieved"), values.get("occupancy_theoretical")
    if achieved is not None and most is not None and most < 0.3:
        limiter = occupancy_limiter(values)
        why = f", limited by {limiter}" if limiter else ""
        return f"{quantity(most, '%')} of the warps that an SM can hold are resident at most{why}"
    return ""


def _accesses(values: Mapping[str, float]) -> str:
    parts = [
        f"{values[name]:.1f} sectors per {word}"
        for name, word in (("global_load_sectors_per_request", "load"), ("global_store_sectors_per_request", "store"))
        if values.get(name, 0.0) > MANY_SECTORS
    ]
    return f"scattered addresses: {' and '.join(parts)}, where 16 are the most that side by side need" if parts else ""


def _conflicts(values: Mapping[str, float]) -> str:
    conflicts = values.get("shared_load_conflicts", 0.0) + values.get("shared_store_conflicts", 0.0)
    executed = values.get("instructions")
    if not executed or conflicts < 0.05 * executed:
        return ""
    return f"{quantity(conflicts)} bank conflicts in {quantity(executed)} instructions: padding or another layout"


def _spills(values: Mapping[str, float]) -> str:
    count = values.get("local_loads", 0.0) + values.get("local_stores", 0.0)
    return f"{quantity(count)} instructions on local memory: spilled registers, or arrays indexed at run time" * (
        count > 0
    )


def _lanes(values: Mapping[str, float]) -> str:
    lanes = values.get("threads_per_instruction")
    if lanes is None or lanes >= FEW_LANES:
        return ""
    return f"{lanes:.1f} of 32 lanes take part in an instruction: divergence, or blocks that are no multiple of 32"
