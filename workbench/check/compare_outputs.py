"""A variant's outputs against the float64 reference."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.store.record import ErrorMeasure

POISON = 0xFF
"""Every byte of an output before it is written."""
PIECE = 1 << 16
"""Elements compared at a time: 512 KiB of float64, a second-level cache's worth."""
STRIPE = 1 << 22
"""Elements for which a thread of its own is worth its start."""


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
    squares, norm = _sums(got.reshape(-1), want.reshape(-1))
    if not math.isfinite(squares):
        finite = np.isfinite(got.astype(np.float64))
        place = np.unravel_index(int(np.argmin(finite)), finite.shape)
        count = int(finite.size - np.count_nonzero(finite))
        detail = f"{count} of {finite.size} values are not finite, first at {_at(place)}"
        unwritten = int(np.count_nonzero((got.reshape(-1).view(np.uint8).reshape(got.size, -1) == POISON).all(axis=1)))
        if unwritten:
            detail += f"; {unwritten} of {finite.size} were never written"
        return Comparison(float("inf"), name, detail)
    error = math.sqrt(squares / norm) if norm else math.sqrt(squares)
    if error <= bound:
        return Comparison(error, name)
    difference = np.abs(np.subtract(got, want, dtype=np.float64))
    place = np.unravel_index(int(np.argmax(difference)), got.shape)
    value = float(got[place])
    return Comparison(error, name, f"largest at {_at(place)}: {value:.6g} instead of {float(want[place]):.6g}")


def _sums(got: Any, want: Any) -> tuple[float, float]:
    """The sums of (got - want)^2 and of want^2 in float64, of flat arrays: the first is finite only where every value
    is. On several cores where there is enough to share."""
    stripes = min(len(os.sched_getaffinity(0)), 1 + got.size // STRIPE)
    step = -(-got.size // stripes)
    parts = [(got[i : i + step], want[i : i + step]) for i in range(0, got.size, step)]
    if stripes == 1:
        return _sums_of(parts[0])
    with ThreadPoolExecutor(stripes) as pool:
        squares, norms = zip(*pool.map(_sums_of, parts), strict=True)
    return sum(squares), sum(norms)


def _sums_of(part: tuple[Any, Any]) -> tuple[float, float]:
    """Piece by piece: a whole array of differences would be written to fresh memory, only to be read once."""
    got, want = part
    scratch = np.empty(min(PIECE, got.size))
    squares = norm = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, got.size, PIECE):
            wanted = want[first : first + PIECE]
            difference = np.subtract(got[first : first + PIECE], wanted, out=scratch[: wanted.size], dtype=np.float64)
            # Not products by BLAS, whose threads would go on spinning on the cores that are to be timed.
            squares += float(np.einsum("i,i", difference, difference))
            norm += float(np.einsum("i,i", wanted, wanted))
    return squares, norm


def _at(place: tuple[Any, ...]) -> str:
    return "[" + ", ".join(str(int(i)) for i in place) + "]"
