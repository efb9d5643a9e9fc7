"""The published noise floor: how far apart a variant and itself come out."""

from __future__ import annotations

import math
from collections.abc import Iterable

SHARE = 0.95
"""Of the A/A comparisons that stay within the noise floor."""


def noise_floor(spreads: Iterable[float]) -> float:
    """The spread that 95 % of a run's A/A comparisons stay within: of fewer than twenty the largest.

    `spreads`: |median / median - 1| of every case's opponent against itself, at least one. The largest of all would
    grow with every case that a sweep adds, until nothing could be told apart.
    """
    ordered = sorted(spreads)
    return ordered[math.ceil(SHARE * len(ordered)) - 1]
