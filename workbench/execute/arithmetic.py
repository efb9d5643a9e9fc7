"""How this thread rounds: what a variant may have left changed."""

from __future__ import annotations

TINY = 5e-324
"""The smallest number that is not zero: denormal."""


def arithmetic() -> tuple[str, ...]:
    """What this thread does other than IEEE 754 does by default; empty where nothing. Found by computing, so that it
    holds on any processor."""
    one, little, tiny = _values()
    found = []
    if one + little > one:
        found.append("rounds upward")
    elif -one - little < -one:
        found.append("rounds downward")
    elif one - little / 4 < one:
        found.append("rounds toward zero")
    if not tiny * 2 > tiny or not tiny > 0:
        found.append("takes denormal numbers for zero")
    return tuple(found)


def _values() -> tuple[float, float, float]:
    """Not constants, which the compiler of Python would compute with beforehand."""
    return float("1"), float("1e-17"), float(repr(TINY))
