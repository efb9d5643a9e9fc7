"""When enough samples are enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class StopRule:
    """Ends the sampling of one variant.

    At least `min_samples` and `min_seconds` in all; then as soon as the spread is under `spread`, or more samples
    have stopped helping. `cap_seconds` ends it whatever the spread, once `few` samples are there. The rule that
    fired is kept with the record.
    """

    min_samples: int = 10
    min_seconds: float = 0.5
    spread: float = 0.005
    cap_seconds: float = 5.0
    few: int = 3

    def verdict(self, samples_s: Sequence[float], spent_s: float) -> str | None:
        """`spread`, `plateau` or `time_cap`, or None to go on. `spent_s`: the wall time that the samples took."""
        count = len(samples_s)
        if count >= self.min_samples and spent_s >= self.min_seconds:
            now = relative_spread(samples_s)
            if now < self.spread:
                return "spread"
            # The spread falls with the square root of the count while samples are independent; where doubling
            # the count has not bought a tenth, the rest is drift that more samples will not remove.
            if count >= 4 * self.min_samples and now > 0.9 * relative_spread(samples_s[: count // 2]):
                return "plateau"
        if spent_s >= self.cap_seconds and count >= self.few:
            return "time_cap"
        return None


def relative_spread(samples_s: Sequence[float]) -> float:
    """Half-width of the median's 95 % interval over the median, by the notch of a box plot:
    1.57 IQR / sqrt(n) (McGill, Tukey, Larsen 1978)."""
    lower, median, upper = np.percentile(np.asarray(samples_s), [25, 50, 75])
    return float(1.57 * (upper - lower) / np.sqrt(len(samples_s)) / median)
