"""Quantities in as few characters as a table has, always with their unit."""

from __future__ import annotations

import math

MISSING = "–"
"""What stands for a figure that is not there: never 0."""


def seconds(value: float | None) -> str:
    """Three digits and ns, µs, ms or s."""
    if value is None or not math.isfinite(value):
        return MISSING
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(value) >= scale:
            return f"{_three(value / scale)} {unit}"
    return f"{_three(value * 1e9)} ns"


def rate(value: float | None, unit: str) -> str:
    """Three digits and the SI prefix that fits, M to P."""
    if value is None or not math.isfinite(value):
        return MISSING
    for prefix, scale in (("P", 1e15), ("T", 1e12), ("G", 1e9)):
        if value >= scale:
            return f"{_three(value / scale)} {prefix}{unit}"
    return f"{_three(value / 1e6)} M{unit}"


def percent(value: float | None) -> str:
    """A share as per cent: one decimal under 10."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{100 * value:.0f} %" if value >= 0.0995 else f"{100 * value:.1f} %"


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
