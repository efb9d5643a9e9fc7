"""Faster, slower, same or undecided: from the interval of a ratio against the noise floor, never from two medians."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from workbench.statistics.intervals import Samples, ratio_interval

Word = Literal["faster", "slower", "same", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """What two sets of times allow to be said. `ratio` is median(b) / median(a): over 1 where b is slower."""

    word: Word
    ratio: float
    low: float
    high: float
    """The ratio's 95 % interval."""
    noise_floor: float | None
    """The relative half-width inside which the same code differs from itself."""
    reason: str = ""
    """Why it is undecided."""


def judge(samples_a: Samples, samples_b: Samples, noise_floor: float | None, confidence: float = 0.95) -> Verdict:
    """The verdict on b against a, both times in seconds.

    slower: the whole interval lies above 1 + noise floor. faster: below 1 / (1 + noise floor). same: inside both.
    Anything else, and anything without a noise floor, is undecided.
    """
    import numpy as np

    if len(samples_a) == 0 or len(samples_b) == 0:
        return Verdict("undecided", math.nan, math.nan, math.nan, noise_floor, "no samples were kept")
    ratio = float(np.median(samples_b) / np.median(samples_a))
    low, high = ratio_interval(samples_a, samples_b, confidence)
    word, reason = _word(low, high, noise_floor)
    return Verdict(word, ratio, low, high, noise_floor, reason)


def _word(low: float, high: float, noise_floor: float | None) -> tuple[Word, str]:
    if noise_floor is None or math.isnan(noise_floor):
        return "undecided", "no noise floor recorded (the baseline was not timed against itself): sweep again"
    most, least = 1 + noise_floor, 1 / (1 + noise_floor)
    if low > most:
        return "slower", ""
    if high < least:
        return "faster", ""
    if least <= low and high <= most:
        return "same", ""
    if low < least and high > most:
        return "undecided", "the interval is wider than the noise floor: more samples are needed"
    return "undecided", "the interval reaches over the edge of the noise floor"
