"""What the ratio of two sides may be off by, from how much it differed from round to round.

Every round starts processes of its own, and what a process gets (pages, cores, the clock of the day) stays with it for
all of its samples: more samples of one round do not average it out, more rounds do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

FEWEST_ROUNDS = 4
"""From fewer, what rounds differ by is too often taken for less than it is: where three of ten processes are 2 %
slower, two or three rounds call 1.5 to 6 % of equal sides slower, four at most 1 %."""
FIRST_QUANTILES = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)
NORMAL_QUANTILE = 1.6449


def student_95(freedom: int) -> float:
    """The 95 % quantile of Student's t with so many degrees of freedom, at least 1: a table, then the expansion around
    the normal distribution's (Abramowitz and Stegun 26.7.5), right to a thousandth."""
    if freedom <= len(FIRST_QUANTILES):
        return FIRST_QUANTILES[freedom - 1]
    z = NORMAL_QUANTILE
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def between_rounds(ratios: Sequence[float]) -> float:
    """The noise of the mean of the rounds' ratios (B over A), relative: in one case of ten it is off by more. 0 of a
    single round, which says nothing about it."""
    if len(ratios) < 2:
        return 0.0
    logs = np.log(np.asarray(ratios, dtype=np.float64))
    return student_95(len(logs) - 1) * float(np.std(logs, ddof=1)) / math.sqrt(len(logs))
