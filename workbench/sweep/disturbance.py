"""The disturbance of a record, from what was found around each of its blocks."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from workbench.measure.surroundings import Surroundings, most_common
from workbench.store.record import Disturbance


def disturbance_of(
    found: Sequence[Surroundings], kept: Sequence[bool], earlier_blocks: int = 0, earlier_disturbed: int = 0
) -> Disturbance:
    """`kept`: of each block whether its samples count. `earlier_…`: blocks of a sweep that was cut off, which count,
    and of which nothing else is known."""
    reasons = [one.disturbances() for one in found]
    wall_s = sum(one.wall_s for one in found)

    def per_s(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / wall_s if known and wall_s > 0 else None

    loads = [one.load_average for one in found if one.load_average is not None]
    facts: dict[str, list[float]] = {}
    for one in found:
        for name, value in one.facts.items():
            facts.setdefault(name, []).append(value)
    foreign = [one.foreign for one in found if one.foreign is not None]
    return Disturbance(
        blocks=earlier_blocks + sum(kept),
        disturbed=earlier_disturbed + sum(bool(why) for why, counts in zip(reasons, kept, strict=True) if counts),
        repeated=len(kept) - sum(kept),
        reasons=most_common(reasons),
        lost_share=per_s([one.lost_s for one in found]),
        others_cores=per_s([one.others_s for one in found]),
        cpu_per_wall=statistics.median(one.cpu_s / one.wall_s for one in found) if found else None,
        switches_per_s=per_s([float(one.switches) for one in found]),
        load_average=max(loads, default=None),
        throttled=most_common([one.throttled for one in found]),
        foreign_processes=max(foreign, default=None),
        facts={name: statistics.median(values) for name, values in facts.items()},
    )
