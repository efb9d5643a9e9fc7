"""Why one side is slower: what differs between two records, and how much of the difference in time it accounts for.

A difference in bytes takes its bytes over the run's bandwidth, one in launches its launches times the time of one,
one in products its FLOPs over the matrix rate. These are modelled, at the ceilings; they overlap in time, so their
shares need not add up, and what is over is something that the ceilings do not know: latency, conflicts, stalls.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from workbench.analyse.describe import quantity
from workbench.analyse.floor import LAUNCH_S, limits_of_run
from workbench.analyse.ladder import BUILD_COLUMNS, build_summary
from workbench.analyse.markup import plain

COLUMNS = ["what", "origin", "a", "b", "unit", "seconds", "share"]


def explain(a: dict[str, Any], b: dict[str, Any], ceilings: dict[str, float]) -> pd.DataFrame:
    """Two rows of records (with the columns of `counted.with_counters` where there are counters) of one problem.

    Columns: what, origin (measured, derived, modelled), a, b, unit, seconds (that the difference takes at the
    ceilings; missing where no ceiling tells) and share (of the difference in time).
    """
    limits = limits_of_run(ceilings, json.loads(a["shape"]).get("dtype", "float32"))
    on_gpu = a["backend"] == "cuda"
    difference = _number(b.get("time.median_s"), 0.0) - _number(a.get("time.median_s"), 0.0)
    rows: list[tuple[Any, ...]] = [
        ("time", "measured", a.get("time.median_s"), b.get("time.median_s"), "s", None, None)
    ]

    def add(what: str, origin: str, column: str, unit: str, each_s: float | None = None) -> bool:
        values: tuple[Any, Any] = (a.get(column), b.get(column))
        if any(pd.isna(value) for value in values):
            return False
        seconds = share = None
        if each_s is not None and not isinstance(values[0], str):
            seconds = (float(values[1]) - float(values[0])) * each_s
            share = seconds / difference if difference else None
        rows.append((what, origin, *values, unit, seconds, share))
        return True

    byte_s = 1 / limits.bytes_per_s if limits.bytes_per_s else None
    if not add("bytes counted", "measured", "bytes.counted", "B", byte_s):
        add("bytes declared", "modelled", "bytes.declared", "B", byte_s)
    launch_s = limits.launch_s or (LAUNCH_S if on_gpu else None)
    if not add("launches counted", "measured", "launches.counted", "", launch_s):
        add("launches declared", "modelled", "launches.declared", "", launch_s)
    flop_s = 1 / limits.matrix_flops_per_s if limits.matrix_flops_per_s else None
    add("FLOPs declared", "modelled", "flops", "FLOP", flop_s)
    add("special functions declared", "modelled", "special", "")
    add("instructions", "measured", "instructions", "")
    for side in (a, b):
        side |= dict(zip(BUILD_COLUMNS, build_summary(side.get("build")), strict=True))
    add("registers", "measured", "registers", "")
    add("shared memory a block", "measured", "shared_bytes", "B")
    add("occupancy, theoretical", "modelled", "occupancy_theoretical", "%")
    add("occupancy, achieved", "measured", "occupancy_achieved", "%")
    add("dominant stall", "measured", "top_stall", "text")
    add("its share", "measured", "top_stall_share", "%")
    add("floor bound by", "modelled", "floor_bound_by", "text")
    return pd.DataFrame(rows, columns=COLUMNS)


def in_words(found: pd.DataFrame, missing_counters: bool) -> str:
    """The one sentence: how much of the difference the largest accounted part takes."""
    known = found[found["share"].notna()]
    times = found.iloc[0]
    if pd.isna(times["a"]) or pd.isna(times["b"]) or times["a"] == times["b"]:
        return "There is no difference in time to account for."
    lack = " Profile both (`workbench profile RUN`) to see instructions and stalls." if missing_counters else ""
    helping = known[known["share"] > 0.01]
    if helping.empty:
        return (
            "Neither bytes, launches nor products account for the difference: what differs is how well they run." + lack
        )
    top = helping.sort_values("share", ascending=False).iloc[0]
    share = float(top["share"])
    amount = "more than all" if share > 1 else f"{100 * share:.0f} %"
    what = plain(top["what"])
    return f"The difference in {what} accounts for {amount} of the difference in time at this run's ceilings.{lack}"


def _number(value: Any, default: float) -> float:
    return default if value is None or pd.isna(value) else float(value)


def side_rows(records: pd.DataFrame, keys: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The records of (run, key), in that order, as dictionaries."""
    indexed = records.set_index(["run", "key"], drop=False)
    return [{str(k): v for k, v in indexed.loc[[key]].iloc[0].items()} for key in keys]


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """`explain`'s rows as text, each figure with its unit."""

    def text(value: Any, unit: str) -> str:
        if pd.isna(value):
            return "–"
        if isinstance(value, str) or unit == "text":
            return str(value)
        return quantity(value, unit) if unit else f"{value:,.0f}"

    return pd.DataFrame(
        {
            "what": found["what"],
            "origin": found["origin"],
            "A": [text(value, unit) for value, unit in zip(found["a"], found["unit"], strict=True)],
            "B": [text(value, unit) for value, unit in zip(found["b"], found["unit"], strict=True)],
            "accounts for": [text(value, "s") for value in found["seconds"]],
            "share of difference": [text(value, "%") for value in found["share"]],
        }
    )
