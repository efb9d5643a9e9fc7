"""How much effort a sweep spends: the sizes come from the operations, the patience from here."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.measure.stopping import StopRule


@dataclass(frozen=True)
class Effort:
    """Patience of one preset."""

    rule: StopRule
    warm_s: float
    """Warm-up of every setting tried and every variant timed, by time."""
    tune_s: float
    """Most time spent on trying one variant's settings."""
    block_s: float
    """Length of one interleaved block."""
    ceilings_s: float
    """Time for the ceilings of the machine."""


PRESETS = {
    "small": Effort(StopRule(min_samples=5, min_seconds=0.02, cap_seconds=0.1), 0.005, 0.05, 0.005, 0.5),
    "quick": Effort(StopRule(min_samples=10, min_seconds=0.2, cap_seconds=0.8), 0.03, 0.6, 0.02, 4.0),
    "standard": Effort(StopRule(), 0.1, 5.0, 0.05, 8.0),
    "gpu": Effort(StopRule(min_samples=10, min_seconds=0.02, cap_seconds=0.5), 0.03, 1.5, 0.02, 4.0),
}
