"""The published noise floor: how far apart a variant and itself come out."""

from __future__ import annotations

import math
from collections.abc import Iterable

from workbench.store.record import Record

SHARE = 0.95
"""Of the A/A comparisons that stay within the noise floor."""


def noise_floor(spreads: Iterable[float]) -> float:
    """The spread that 95 % of a run's A/A comparisons stay within: of fewer than twenty the largest.

    `spreads`: |median / median - 1| of every case's reference against itself, at least one. The largest of all would
    grow with every case that a sweep adds, until nothing could be told apart.
    """
    ordered = sorted(spreads)
    return ordered[math.ceil(SHARE * len(ordered)) - 1]


def between(first: Record, again: Record) -> float | None:
    """By how much the median of a variant differed the second time that it was timed, relative; None where it has no
    second time, or either was disturbed: then it is no figure of the machine that a run is about."""
    if first.time is None or again.time is None:
        return None
    if not all(r.disturbance is None or r.disturbance.is_sound for r in (first, again)):
        return None
    return abs(again.time.median_s / first.time.median_s - 1.0)
