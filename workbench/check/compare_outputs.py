"""A variant's outputs against the float64 reference."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workbench.declare import Operation, Shape, Tolerance
from workbench.store.record import ErrorMeasure

SMALLEST = {"float64": 2.0**-1022, "float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-24}
"""An error of this size cannot be told from rounding: below its smallest normal number a dtype has few digits or, where
processors flush such numbers to zero, none. float16 is never flushed, and its last digit counts."""
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
    bound: float = math.inf
    """What `relative_l2` may be: the output's relative tolerance, and its absolute one for a reference of this size."""
    detail: str = ""
    """What a person needs to find it: the first place that is not a number, or the place of the largest error."""

    def at(self, label: str) -> Comparison:
        """The same, with the inputs that it was found with."""
        return replace(self, where=f"{self.where} ({label})")

    @property
    def right(self) -> bool:
        return self.relative_l2 <= self.bound

    @property
    def excess(self) -> float:
        """The error over what it may be, by which comparisons of different outputs are ranked."""
        return self.relative_l2 / self.bound if math.isfinite(self.relative_l2) else math.inf

    def measure(self) -> ErrorMeasure:
        """The comparison as a record keeps it."""
        finite = math.isfinite(self.relative_l2)
        return ErrorMeasure(relative_l2=self.relative_l2 if finite else None, bound=self.bound, where=self.where)

    @property
    def reason(self) -> str:
        """Why the answer is wrong, in one line."""
        return f"{self.where}: relative L2 error {self.relative_l2:.2g}; {self.detail}"


def tolerances(operation: Operation, shape: Shape) -> dict[str, Tolerance]:
    """What each output may be off by, whichever way the operation declares it."""
    declared = operation.tolerance[shape.dtype]
    found = {}
    for tensor in operation.tensors(shape):
        if tensor.compared:
            allowed = declared[tensor.name] if isinstance(declared, Mapping) else declared
            own = allowed if isinstance(allowed, Tolerance) else Tolerance(allowed)
            absolute = own.absolute if own.absolute is not None else SMALLEST.get(tensor.dtype, 0.0)
            found[tensor.name] = Tolerance(own.relative, absolute)
    return found


def compare_outputs(got: Mapping[str, Any], want: Mapping[str, Any], bounds: Mapping[str, Tolerance]) -> Comparison:
    """The output with the largest error for what it may be. All by name; `want` in float64. The place of the error is
    looked for only where it passes its bound."""
    return max((_compare(name, got[name], want[name], bounds[name]) for name in want), key=lambda c: c.excess)


def _compare(name: str, got: Any, want: Any, allowed: Tolerance) -> Comparison:
    bound = allowed.relative
    if got.shape != want.shape:
        return Comparison(float("inf"), name, bound, f"shape {got.shape} instead of {want.shape}")
    if not got.size:
        return Comparison(0.0, name, bound)
    squares, norm = _sums(got.reshape(-1), want.reshape(-1))
    if not math.isfinite(squares):
        finite = np.isfinite(got.astype(np.float64))
        place = np.unravel_index(int(np.argmin(finite)), finite.shape)
        count = int(finite.size - np.count_nonzero(finite))
        detail = f"{count} of {finite.size} values are not finite, first at {_at(place)}"
        unwritten = int(np.count_nonzero((got.reshape(-1).view(np.uint8).reshape(got.size, -1) == POISON).all(axis=1)))
        if unwritten:
            detail += f"; {unwritten} of {finite.size} were never written"
        return Comparison(float("inf"), name, bound, detail)
    error = math.sqrt(squares / norm) if norm else math.sqrt(squares)
    bound += (allowed.absolute or 0.0) * math.sqrt(got.size / (norm or 1.0))
    if error <= bound:
        return Comparison(error, name, bound)
    difference = np.abs(np.subtract(got, want, dtype=np.float64))
    place = np.unravel_index(int(np.argmax(difference)), got.shape)
    value = float(got[place])
    return Comparison(error, name, bound, f"largest at {_at(place)}: {value:.6g} instead of {float(want[place]):.6g}")


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
