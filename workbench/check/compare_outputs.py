"""A variant's outputs against the float64 reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
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

    def measure(self, bound: float) -> ErrorMeasure:
        """The comparison as a record keeps it."""
        finite = math.isfinite(self.relative_l2)
        return ErrorMeasure(relative_l2=self.relative_l2 if finite else None, bound=bound, where=self.where)

    @property
    def reason(self) -> str:
        """Why the answer is wrong, in one line."""
        return f"{self.where}: relative L2 error {self.relative_l2:.2g}; {self.detail}"


def compare_outputs(got: Mapping[str, Any], want: Mapping[str, Any]) -> Comparison:
    """The output with the largest relative L2 error. Both by name; `want` in float64."""
    return max((_compare(name, got[name], want[name]) for name in want), key=lambda c: c.relative_l2)


def _compare(name: str, got: Any, want: Any) -> Comparison:
    if got.shape != want.shape:
        return Comparison(float("inf"), name, f"shape {got.shape} instead of {want.shape}")
    value = got.astype(np.float64)
    finite = np.isfinite(value)
    if not finite.all():
        place = np.unravel_index(int(np.argmin(finite)), finite.shape)
        count = int(finite.size - np.count_nonzero(finite))
        return Comparison(float("inf"), name, f"{count} of {finite.size} values are not finite, first at {_at(place)}")
    difference = value - want
    norm = float(np.sqrt(np.sum(np.square(want))))
    error = float(np.sqrt(np.sum(np.square(difference)))) / norm if norm else float(np.abs(difference).max(initial=0.0))
    place = np.unravel_index(int(np.argmax(np.abs(difference))), difference.shape) if difference.size else ()
    detail = f"largest at {_at(place)}: {value[place]:.6g} instead of {want[place]:.6g}" if difference.size else ""
    return Comparison(error, name, detail)


def _at(place: tuple[Any, ...]) -> str:
    return "[" + ", ".join(str(int(i)) for i in place) + "]"
