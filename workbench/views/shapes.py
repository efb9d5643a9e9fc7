"""Shapes of records: their axes, whatever they are called, in the order in which operations declare them; as text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

import pandas as pd

NO_AXES = ("dtype", "regime")
"""What a record's shape holds besides sizes."""
UNKNOWN = "unknown"
USUAL_REGIMES = ("normal", UNKNOWN)
"""What needs no word: the inputs that every record has, and those of an imported report."""

Shape = str | Mapping[str, object]
"""A shape as records carry it: a dictionary, or its JSON."""


def _plain(shape: Shape) -> Mapping[str, object]:
    plain: Mapping[str, object] = json.loads(shape) if isinstance(shape, str) else shape
    return plain


def sizes_of(shape: Shape) -> dict[str, int]:
    """Axis → size, in the order of the operation's declaration."""
    return {name: size for name, size in _plain(shape).items() if name not in NO_AXES and isinstance(size, int)}


def merged(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Axes of several operations in one order: each stands behind the one that it follows where it is declared."""
    found: list[str] = []
    for axes in lists:
        place = 0
        for axis in axes:
            if axis not in found:
                found.insert(place, axis)
            place = found.index(axis) + 1
    return tuple(found)


def axes_of(records: pd.DataFrame) -> tuple[str, ...]:
    """The axes that the records' shapes have."""
    shapes = dict.fromkeys(records["shape"]) if len(records) else {}
    return merged(dict.fromkeys(tuple(sizes_of(shape)) for shape in shapes))


def sizes_text(shape: Shape, without: str = "") -> str:
    """`{"B": 4, "T": 64, …}` → `B=4 T=64`, one axis left out where it is named."""
    return " ".join(f"{axis}={size}" for axis, size in sizes_of(shape).items() if axis != without)


def aligned_texts(shapes: Iterable[Shape]) -> list[str]:
    """`shape_text` of each, with sizes of an axis set to one width: as texts they then stand in the order of sizes."""
    plain = [_plain(shape) for shape in shapes]
    widths: dict[str, int] = {}
    for shape in plain:
        for axis, size in sizes_of(shape).items():
            widths[axis] = max(widths.get(axis, 0), len(str(size)))
    found = []
    for shape in plain:
        words = shape_text({name: value for name, value in shape.items() if name in NO_AXES})
        sizes = [f"{axis}={size:>{widths[axis]}}" for axis, size in sizes_of(shape).items()]
        found.append(" ".join(filter(None, [*sizes, words])))
    return found


def shape_text(shape: Shape) -> str:
    """`{"B": 4, "T": 64, …}` → `B=4 T=64 float32`; the regime of the inputs where it is not the usual one. A report of
    somebody's own kernels names no dtype."""
    plain = _plain(shape)
    regime, dtype = str(plain.get("regime", "")), str(plain.get("dtype", ""))
    words = (sizes_text(plain), "" if dtype == UNKNOWN else dtype, "" if regime in USUAL_REGIMES else regime)
    return " ".join(filter(None, words))


def shapes_of(records: pd.DataFrame) -> list[str]:
    """Shapes as the records carry them (JSON), those with most timed variants first, then the larger ones."""
    if records.empty:
        return []
    timed = records[records["time.median_s"].notna()]
    counts = timed.groupby("shape")["variant"].nunique()

    def rank(shape: str) -> tuple[int, float]:
        return (-int(counts.get(shape, 0)), -math.prod(sizes_of(shape).values()))

    return sorted(dict.fromkeys(records["shape"]), key=rank)
