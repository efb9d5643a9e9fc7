"""What else the machine did while a block of samples was taken, and whether that has disturbed it.

Observers (observer.py) find it out in the process that takes the samples, around them: on a CPU how long its threads
were ready and waited for a core, how often they lost one, how much of the machine others used; on a GPU why its clock
was held back, and who else computes on it. What a system does not tell is None.

A block is disturbed where its threads lost a core to others for more than a part of it, where others kept a core and a
half of the machine's busy beside it, or where a GPU was held back by heat or shared. CPU time over wall time alone says
nothing: a variant of one thread has 1, one that waits for memory has it too, and one of eight threads has 8.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

LOST_SHARE = 0.1
LOST_SHARE_OF_CPU = LOST_SHARE / 16
"""Of a block, and of its CPU time: more than this spent in waiting for cores that others had disturbs it. What a system
does for itself costs every core a little, which adds up where there are many."""
OTHERS_CORES = 0.5
OTHERS_SHARE = 0.1
"""Others that use more than half a core, and more than a tenth of all cores, take memory bandwidth, cache and clock."""
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
"""The system counts CPU time of all processes in ticks: what a short block sees of it is off by one at each end."""
SWITCHES_PER_S = 50
"""Times per second that a thread loses its core, where the system does not say how long it then waited."""

HARMLESS = ("power cap", "sync boost")
"""A large matrix product runs at the power cap on a quiet GPU: it is told, and disturbs nothing."""


@dataclass(frozen=True)
class Surroundings:
    """Of one block. Plain data: it travels from the worker to the coordinator."""

    wall_s: float
    cores: int
    """That the process may use."""
    cpu_s: float
    """CPU time of the process, all threads together."""
    waited_s: float | None = None
    """Time that its threads were ready to run and did not, all together."""
    switches: int = 0
    """Times that its threads lost their core unasked (involuntary context switches)."""
    others_s: float | None = None
    """CPU time that all other processes took, and that a hypervisor withheld."""
    load_average: float | None = None
    """Of the machine, over the last minute."""
    throttled: tuple[str, ...] = ()
    """Why the GPU's clock is held back: words of THROTTLE_REASONS."""
    foreign: int | None = None
    """Processes of others that compute on the GPU."""
    facts: dict[str, float] = field(default_factory=dict)
    """What observers found beside, by names that end in their SI unit."""

    @property
    def lost_s(self) -> float | None:
        """How long its threads waited for cores that others had: threads that wait for each other, because there are
        more of them than cores, use all cores meanwhile."""
        if self.waited_s is None:
            return None
        return min(self.waited_s, max(0.0, self.cores * self.wall_s - self.cpu_s))

    @property
    def others_cores(self) -> float | None:
        """Cores that others used on average."""
        return None if self.others_s is None or self.wall_s <= 0 else self.others_s / self.wall_s

    def disturbances(self) -> tuple[str, ...]:
        """What has disturbed the block, a few words each; empty where nothing has."""
        found = []
        lost = self.lost_s
        if lost is not None and lost > max(LOST_SHARE * self.wall_s, LOST_SHARE_OF_CPU * self.cpu_s):
            found.append("waited for a core")
        elif lost is None and self.switches > max(1.0, SWITCHES_PER_S * self.wall_s):
            found.append("lost its core")
        most = max(OTHERS_CORES, OTHERS_SHARE * self.cores) * self.wall_s
        if self.others_s is not None and self.others_s - TICK_S > most:
            found.append("others used the machine")
        found += [f"clock held back ({reason})" for reason in self.throttled if reason not in HARMLESS]
        if self.foreign:
            found.append("others computed on the GPU")
        return tuple(found)


def most_common(reasons: Sequence[Sequence[str]]) -> list[str]:
    """Each reason once, the one of most blocks first."""
    every = [reason for one in reasons for reason in one]
    return sorted(dict.fromkeys(every), key=lambda reason: -every.count(reason))
