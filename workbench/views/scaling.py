"""How time grows with a size: curves, fitted exponents, where two devices cross, and who is fastest where."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.views.best import best_settings
from workbench.views.rows import dicts_of
from workbench.views.shapes import axes_of, sizes_of, sizes_text
from workbench.views.verdicts import verdict_on

CURVE = ("operation", "variant", "pass", "device", "backend", "shape.dtype")


def curves(records: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Timed records, the best setting at each size, with a column `curve`: records of one curve differ in `axis` only.

    Adds `size` (along `axis`) and `others` (the other axes as text). Curves of a single size are left out.
    """
    column = f"shape.{axis}"
    if records.empty or column not in records:
        return records.head(0).assign(curve="", size=0, others="")
    timed = best_settings(records[records["time.median_s"].notna() & records[column].notna()])
    # Whatever an operation calls its axes: points of one curve differ in this axis and in no other.
    others = timed["shape"].map({shape: sizes_text(shape, without=axis) for shape in timed["shape"].unique()})
    timed = timed.assign(size=timed[column].astype("int64"), others=others)
    parts = zip(*(timed[name].astype(str) for name in (*CURVE, "others")), strict=True)
    timed = timed.assign(curve=["|".join(part) for part in parts])
    # A curve through two runs would join what was not measured together: the newest run that has it stays.
    timed = timed.drop_duplicates(["curve", "size"])
    return timed[timed.groupby("curve")["size"].transform("size") > 1].sort_values(["curve", "size"])


def curves_along(records: pd.DataFrame) -> tuple[str, ...]:
    """The axes along which there is a curve, in the order of the operation's declaration."""
    return tuple(axis for axis in axes_of(records) if len(curves(records, axis)))


def longest(records: pd.DataFrame, axes: Sequence[str]) -> str | None:
    """The axis of most sizes, the first of several; None where there is none."""
    return max(axes, key=lambda axis: records[f"shape.{axis}"].nunique(), default=None)


def others_of(records: pd.DataFrame, axis: str) -> list[str]:
    """The sizes of the other axes at which a curve along `axis` exists, the one with most points first."""
    return others_in(curves(records, axis))


def others_in(found: pd.DataFrame) -> list[str]:
    """The same of curves that are there."""
    return list(found.groupby("others").size().sort_values(ascending=False, kind="stable").index)


def exponents(found: pd.DataFrame) -> pd.DataFrame:
    """Per curve the exponent p of time = c size^p, by least squares over log time, for curves of 3 sizes or more.

    `exponent` over all sizes, `exponent_last` between the last two: what launches cost at small sizes flattens the
    first. Columns: curve, operation, variant, device, backend, sizes, exponent, exponent_last.
    """
    rows = []
    for curve, points in found.groupby("curve"):
        if len(points) < 3:
            continue
        x, y = np.log(points["size"].to_numpy(float)), np.log(points["time.median_s"].to_numpy(float))
        first = points.iloc[0]
        rows.append(
            {
                "curve": curve, "operation": first["operation"], "variant": first["variant"],
                "device": first["device"], "backend": first["backend"], "sizes": len(points),
                "exponent": float(np.polyfit(x, y, 1)[0]),
                "exponent_last": float((y[-1] - y[-2]) / (x[-1] - x[-2])),
            }
        )  # fmt: skip
    columns = ["curve", "operation", "variant", "device", "backend", "sizes", "exponent", "exponent_last"]
    return pd.DataFrame(rows, columns=columns)


def crossings(found: pd.DataFrame) -> pd.DataFrame:
    """Where the fastest variant on one device becomes faster or slower than the fastest on another.

    Columns: operation, dtype, first, second (devices), size (interpolated between measured ones in log-log; derived),
    seconds, faster_above. A pair of devices that never cross has no row.
    """
    rows = []
    for (operation, dtype, others), group in found.groupby(["operation", "shape.dtype", "others"]):
        best = group.groupby(["device", "size"])["time.median_s"].min().unstack("device")
        for first, second in itertools.combinations(best.columns, 2):
            both = best[[first, second]].dropna()
            times = np.log(both[first].to_numpy(float))
            difference = times - np.log(both[second].to_numpy(float))
            sizes = np.log(np.asarray(both.index, dtype=float))
            for i in np.flatnonzero(np.sign(difference[1:]) != np.sign(difference[:-1])):
                share = difference[i] / (difference[i] - difference[i + 1])
                size = sizes[i] + share * (sizes[i + 1] - sizes[i])
                rows.append(
                    {
                        "operation": operation, "dtype": dtype, "others": others, "first": first, "second": second,
                        "size": float(np.exp(size)),
                        "seconds": float(np.exp(times[i] + share * (times[i + 1] - times[i]))),
                        "faster_above": first if difference[i + 1] < 0 else second,
                    }
                )  # fmt: skip
    columns = ["operation", "dtype", "others", "first", "second", "size", "seconds", "faster_above"]
    return pd.DataFrame(rows, columns=columns)


TIE = "tie"


def two_axes(records: pd.DataFrame) -> tuple[str | None, str | None]:
    """The two axes that a map of the timed records shows best: those of most sizes, then of the largest, in the order
    of the operation's declaration; None for what there is not."""
    timed = records[records["time.median_s"].notna()]
    axes = axes_of(timed)
    most = sorted(axes, key=lambda axis: (-timed[f"shape.{axis}"].nunique(), -timed[f"shape.{axis}"].max()))[:2]
    first, second, *_ = (*(axis for axis in axes if axis in most), None, None)
    return first, second


def fastest_map(records: pd.DataFrame, across: str, down: str | None) -> pd.DataFrame:
    """The fastest variant at each (across, down), or "tie" where another is not slower beyond doubt, by the rule that
    comparisons go by; a map of one row where `down` is None. `records` with their samples.

    Columns: across, down (1 where it is None), winner (or tie), tied (all within the tie), seconds, others (the sizes
    of the other axes), times (variant → its median in seconds). Of one operation, dtype, pass and device; where other
    axes vary within a cell, their largest value is looked at.
    """
    columns = ["across", "down", "winner", "tied", "seconds", "others", "times"]
    chosen = [f"shape.{axis}" for axis in (across, down) if axis is not None]
    timed = best_settings(records[records["time.median_s"].notna()]) if len(records) else records
    if timed.empty or not set(chosen) <= set(timed.columns):
        return pd.DataFrame(columns=columns)
    for axis in axes_of(timed):
        name = f"shape.{axis}"
        if name not in chosen and timed.groupby(chosen)[name].nunique().max() > 1:
            timed = timed[timed[name].isna() | (timed[name] == timed[name].max())]
    rows = []
    for _, cell in timed.groupby(chosen):
        best, *rest = dicts_of(cell.sort_values("time.median_s"))
        not_slower = [row["variant"] for row in rest if verdict_on(row, best)[0].word != "slower"]
        tied = list(dict.fromkeys([best["variant"], *not_slower]))
        winner = best["variant"] if len(tied) == 1 else TIE
        x, y = int(best[chosen[0]]), int(best[chosen[1]]) if down is not None else 1
        others = " ".join(f"{a}={n}" for a, n in sizes_of(best["shape"]).items() if a not in (across, down))
        times = {row["variant"]: float(row["time.median_s"]) for row in (*rest[::-1], best)}
        rows.append((x, y, winner, ", ".join(tied), float(best["time.median_s"]), others, times))
    return pd.DataFrame(rows, columns=columns)


def crossovers(cells: pd.DataFrame) -> pd.DataFrame:
    """Where along `across` one variant takes over from another, row by row of a `fastest_map`: between two sizes that
    follow each other, each with a single winner, at the crossing of the two variants' times in log-log (derived). A tie
    between two winners is a stretch in which neither is faster beyond doubt: the crossover has its ends.

    Columns: down, before, after (variants), size (interpolated; missing where they tie between), low, high (the
    measured sizes around it).
    """
    rows = []
    for down, own in cells.groupby("down", sort=True):
        decided = [row for row in dicts_of(own.sort_values("across")) if row["winner"] != TIE]
        for left, right in itertools.pairwise(decided):
            if left["winner"] == right["winner"]:
                continue
            between = own[(own["across"] > left["across"]) & (own["across"] < right["across"])]
            size = _crossing(left, right) if between.empty else None
            rows.append((down, left["winner"], right["winner"], size, left["across"], right["across"]))
    return pd.DataFrame(rows, columns=["down", "before", "after", "size", "low", "high"])


def _crossing(left: dict[str, Any], right: dict[str, Any]) -> float | None:
    """The size at which the winners of two cells take the same time; None where one was not timed in both."""
    one, other = left["winner"], right["winner"]
    if any(name not in cell["times"] for name in (one, other) for cell in (left, right)):
        return None
    first, last = (np.log(cell["times"][one] / cell["times"][other]) for cell in (left, right))
    share = first / (first - last)
    return float(np.exp(np.log(left["across"]) + share * np.log(right["across"] / left["across"])))
