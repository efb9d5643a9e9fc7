"""One measured figure of the benchmark, and what it was promised to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from workbench.quantity import quantity as written
from workbench.statistics.intervals import median_interval, ratio_interval

Median = tuple[float, float, float]
"""A median, and the ends of its 95 % interval."""


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
    median: Median | None = None
    """Of the rounds whose best one `value` is; None where there is nothing to take it of."""

    @property
    def kept(self) -> bool | None:
        """Whether the limit was kept; None without one."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def promise(self) -> str:
        return "" if self.limit is None else f"{'≥' if self.at_least else '≤'} {quantity(self.limit, self.unit)}"

    @property
    def median_text(self) -> str:
        if self.median is None:
            return ""
        value, low, high = (quantity(number, self.unit) for number in self.median)
        return f"{value} ({low} – {high})"


def of_rounds(
    name: str,
    samples: Sequence[float],
    unit: str,
    limit: float | None = None,
    at_least: bool = False,
    best: Callable[[Sequence[float]], float] = min,
) -> Figure:
    """The best round, with the median of all."""
    return Figure(name, best(samples), unit, limit, at_least, (float(np.median(samples)), *median_interval(samples)))


def over(
    name: str,
    numerator: Sequence[float],
    denominator: Sequence[float],
    limit: float | None = None,
    at_least: bool = False,
    best: Callable[[Sequence[float]], float] = min,
) -> Figure:
    """Times over times: of the best rounds (or what `best` makes of them), and of the medians of all."""
    median = float(np.median(numerator) / np.median(denominator))
    return Figure(
        name, best(numerator) / best(denominator), "ratio", limit, at_least,
        (median, *ratio_interval(denominator, numerator)),
    )  # fmt: skip


def quantity(value: float, unit: str) -> str:
    """A value with its unit; a ratio has none."""
    return written(value, "" if unit == "ratio" else unit)
