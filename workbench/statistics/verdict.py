"""Faster, slower, same or undecided: from the interval of a ratio against the noise floor, never from two medians."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.statistics.intervals import Samples, ratio_interval

Word = Literal["faster", "slower", "same", "undecided"]

CONFIDENCE = 0.99
"""Of the ratio's interval: of equal sides one in two hundred is then called slower before the noise floor helps."""
EQUIVALENT = 0.02
"""Sides that differ by no more than this, beyond doubt, are the same: the change that a gate is there to find."""
MOST_SAMPLES = 100_000
"""More are never asked for: where they would be needed, a larger difference has to be admitted instead."""


@dataclass(frozen=True)
class Verdict:
    """What two sets of times allow to be said. `ratio` is median(b) / median(a): over 1 where b is slower."""

    word: Word
    ratio: float
    low: float
    high: float
    """The ratio's interval."""
    noise_floor: float | None
    """The relative half-width inside which the same code differs from itself."""
    reason: str = ""
    """Why it is undecided."""
    samples_needed: int | None = None
    """Where it is undecided: the samples per side, those taken included, after which it should not be."""
    is_one_measurement: bool = False
    """Both sides are the same samples."""

    @property
    def resolution(self) -> float:
        """The sides differ by no more than this, relative to the faster one; NaN where nothing can be said."""
        return resolution(self.low, self.high)


def resolution(low: float, high: float) -> float:
    """See Verdict.resolution."""
    return max(high, 1 / low) - 1 if low > 0 else math.inf if low == 0 else math.nan


def word_of(low: float, high: float, noise_floor: float, equivalent: float = EQUIVALENT) -> Word:
    """What the interval of a ratio says against the noise: the rule of every verdict; see `judge`."""
    if low > 1 + noise_floor:
        return "slower"
    if high < 1 / (1 + noise_floor):
        return "faster"
    return "same" if resolution(low, high) <= max(noise_floor, equivalent) else "undecided"


def judge(
    samples_a: Samples,
    samples_b: Samples,
    noise_floor: float | None,
    confidence: float = CONFIDENCE,
    equivalent: float = EQUIVALENT,
) -> Verdict:
    """The verdict on b against a, both times in seconds, in the order taken.

    slower: the whole interval lies above 1 + noise floor. faster: below 1 / (1 + noise floor). same: they differ by no
    more than the noise floor or `equivalent` (relative), whichever is larger (an equivalence test: Schuirmann 1987).
    Anything else is undecided and says how many samples would decide it. Without a noise floor nothing is decided.
    The same samples on both sides are one measurement, and the same.
    """
    if len(samples_a) == 0 or len(samples_b) == 0:
        return Verdict("undecided", math.nan, math.nan, math.nan, noise_floor, "no samples were kept")
    if np.array_equal(samples_a, samples_b):
        return Verdict("same", 1.0, 1.0, 1.0, noise_floor, is_one_measurement=True)
    ratio = float(np.median(samples_b) / np.median(samples_a))
    if noise_floor is None or math.isnan(noise_floor):
        low, high = ratio_interval(samples_a, samples_b, confidence)
        reason = "no noise floor recorded (the baseline was not timed against itself): sweep again"
        return Verdict("undecided", ratio, low, high, noise_floor, reason)
    low, high = ratio_interval(samples_a, samples_b, confidence)
    found = Verdict(word_of(low, high, noise_floor, equivalent), ratio, low, high, noise_floor)
    if found.word != "undecided":
        return found
    needed = _samples_needed(min(len(samples_a), len(samples_b)), low, high, max(noise_floor, equivalent), noise_floor)
    return Verdict("undecided", ratio, low, high, noise_floor, _reason(found, noise_floor, needed), needed)


def _samples_needed(count: int, low: float, high: float, admitted: float, noise_floor: float) -> int | None:
    """An interval narrows with the root of its samples. It is narrow enough once it fits twice between the noise floor
    and what is admitted: then a side that is slower by as much is found, and one that is equal is called the same."""
    if low <= 0 or not math.isfinite(high):
        return 2 * count
    room = admitted - noise_floor if admitted > noise_floor else admitted
    wanted = room / 2
    half = (math.log(high) - math.log(low)) / 2
    needed = math.ceil(count * max(half / wanted, math.sqrt(1.5)) ** 2)
    return needed if needed <= MOST_SAMPLES else None


def _reason(found: Verdict, noise_floor: float, needed: int | None) -> str:
    low, high, most = found.low, found.high, found.resolution
    within = f"they differ by at most {100 * most:.3g} %" if math.isfinite(most) else "nothing limits their difference"
    asked = f"about {needed:,} samples per side would decide" if needed else "no number of samples would decide it"
    if low > 1 or high < 1:
        return f"the interval reaches over the edge of the noise floor; {asked}"
    if low < 1 / (1 + noise_floor) and high > 1 + noise_floor:
        return f"the interval is wider than the noise floor: {within}; {asked}"
    return f"{within}; {asked}"
