"""One measured figure of the benchmark, and what it was promised to be."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """A plain tuple (name, value, unit, limit) serves as one too."""

    name: str
    value: float
    unit: str
    """SI, or "ratio"."""
    limit: float | None = None
    """What it must keep to; None where it is only reported."""
    at_least: bool = False
    """The limit is a lower one."""

    @property
    def kept(self) -> bool | None:
        """Whether the limit was kept; None without one."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def promise(self) -> str:
        return "" if self.limit is None else f"{'≥' if self.at_least else '≤'} {quantity(self.limit, self.unit)}"


def quantity(value: float, unit: str) -> str:
    """A value with a prefix that keeps it short: 0.0123 s → 12.3 ms."""
    if unit == "ratio":
        return f"{value:.3g}"
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value / 1e-9:.3g} n{unit}"
