"""Figures as text for a person, each with its unit: the one way in which the command line, pages and reports write
them. Missing is a dash, never 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

MISSING = "–"
"""What stands for a figure that is not there."""
PREFIXES = (
    (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"),
)  # fmt: skip
ENDS: dict[str, tuple[float, float]] = {"s": (1e-9, 1.0)}
"""Smallest and largest prefix of a unit that has not all of those from 1 up: nobody says kiloseconds or millibytes."""
PREFIXED = ("s", "B", "B/s", "FLOP", "FLOP/s", "exp/s", "/s", "Hz")
LARGEST_WHOLE = 1e15
"""A larger number is written with an exponent."""


def prefix_of(values: Sequence[float], unit: str) -> tuple[float, str]:
    """The factor and prefix in which most of `values` are numbers between 1 and 1,000: by their median. Where the
    least of them would be under a tenth, by the least: two digits behind a point would show none of its figures."""
    known = sorted(abs(v) for v in values if v and math.isfinite(v))
    if not known or unit not in PREFIXED:
        return 1.0, ""
    found = _prefix_at(known[len(known) // 2], unit)
    return found if known[0] >= 0.1 * found[0] else _prefix_at(known[0], unit)


def _prefix_at(value: float, unit: str) -> tuple[float, str]:
    """The largest prefix in which a value is at least 1."""
    smallest, largest = ENDS.get(unit, (1.0, math.inf))
    possible = [(factor, prefix) for factor, prefix in PREFIXES if smallest <= factor <= largest]
    return next((pair for pair in possible if value >= pair[0]), possible[-1])


def quantity(value: float | None, unit: str = "", digits: int = 3) -> str:
    """One figure: `47.2 µs`, `4.13 TB/s`, `69 %` (of a share of 1), `2.41x`, `1,024 threads`; `–` where it is missing
    or no number."""
    if value is None or value != value or not math.isfinite(value):
        return MISSING
    if unit == "%":
        return f"{_digits(100 * value, 2)} %"
    if unit == "x":
        return f"{_digits(value, digits)}x"
    factor, prefix = prefix_of([value], unit)
    return f"{_digits(value / factor, digits)} {prefix}{unit}".strip()


def bound_text(share: float) -> str:
    """A share that nothing exceeds, in percent: two digits, rounded up."""
    if not math.isfinite(share) or share <= 0:
        return quantity(share, "%")
    step = 10.0 ** (math.floor(math.log10(100 * share)) - 1)
    return quantity(math.ceil(100 * share / step - 1e-9) * step / 100, "%")


def _digits(value: float, digits: int) -> str:
    """So many significant digits; a whole number, and what has more before the point, with all of those it has."""
    whole = value == round(value) or abs(value) >= 10**digits - 0.5
    if whole and abs(value) < LARGEST_WHOLE:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"
