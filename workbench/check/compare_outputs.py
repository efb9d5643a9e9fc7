"""A variant's outputs against the float64 reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.store.record import ErrorMeasure


@dataclass(frozen=True)
class Comparison:
    """The worst output of one evaluation."""

    relative_l2: float
    """sqrt(sum (got - want)^2) / sqrt(sum want^2); infinite where an output holds NaN or infinity."""
    where: str
    detail: str = ""
    """What a person needs to find it: the first place that is not a number, or the place of the largest error."""

    def at(self, label: str) -> Comparison:
        """The same, with the inputs that it was found with."""
        return replace(self, where=f"{self.where} ({label})")

    def measure(self, bound: float) -> ErrorMeasure:
        """The comparison as a record keeps it."""
        finite = math.isfinite(self.relative_l2)
        return ErrorMeasure(relative_l2=self.relative_l2 if finite else None, bound=bound, where=self.where)

    @property
    def reason(self) -> str:
        """Why the answer is wrong, in one line."""
        return f"{self.where}: relative L2 error {self.relative_l2:.2g}; {self.detail}"


def compare_outputs(got: Mapping[str, Any], want: Mapping[str, Any], bound: float) -> Comparison:
    """The output with the largest relative L2 error. Both by name; `want` in float64. The place of the error is
    looked for only where it passes `bound`."""
    return max((_compare(name, got[name], want[name], bound) for name in want), key=lambda c: c.relative_l2)


def _compare(name: str, got: Any, want: Any, bound: float) -> Comparison:
    if got.shape != want.shape:
        return Comparison(float("inf"), name, f"shape {got.shape} instead of {want.shape}")
    if not got.size:
        return Comparison(0.0, name)
    difference = np.subtract(got, want, dtype=np.float64).reshape(-1)
    flat = np.ascontiguousarray(want).reshape(-1)
    # A product of the difference with itself is finite only where every value is: one pass finds out both.
    with np.errstate(invalid="ignore", over="ignore"):
        squares, norm = float(difference @ difference), float(flat @ flat)
    if not math.isfinite(squares):
        finite = np.isfinite(got.astype(np.float64))
        place = np.unravel_index(int(np.argmin(finite)), finite.shape)
        count = int(finite.size - np.count_nonzero(finite))
        return Comparison(float("inf"), name, f"{count} of {finite.size} values are not finite, first at {_at(place)}")
    error = math.sqrt(squares / norm) if norm else math.sqrt(squares)
    if error <= bound:
        return Comparison(error, name)
    place = np.unravel_index(int(np.argmax(np.abs(difference))), got.shape)
    value = float(got[place])
    return Comparison(error, name, f"largest at {_at(place)}: {value:.6g} instead of {float(want[place]):.6g}")


def _at(place: tuple[Any, ...]) -> str:
    return "[" + ", ".join(str(int(i)) for i in place) + "]"
