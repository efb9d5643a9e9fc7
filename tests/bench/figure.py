"""One measured figure of the benchmark, and what it was promised to be."""

from __future__ import annotations

from typing import NamedTuple

from workbench.quantity import quantity as written


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
    """A value with its unit; a ratio has none."""
    return written(value, "" if unit == "ratio" else unit)
