"""Why B is slower than A: what differs between two records, and how much of the difference in time it accounts for.

A difference in bytes takes its bytes over the run's bandwidth, one in launches its launches times the time of one,
one in products its FLOPs over the matrix rate. These are modelled, at the ceilings; they overlap in time, so their
shares need not add up, and what is over is something that the ceilings do not know: latency, conflicts, stalls.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from workbench.model.floor import LAUNCH_S, limits_of
from workbench.views.ladder import BUILD_COLUMNS, build_summary
from workbench.views.simulated import counted_of

COLUMNS = ["what", "origin", "a", "b", "unit", "seconds", "share"]


def explain(a: dict[str, Any], b: dict[str, Any], ceilings: dict[str, float]) -> pd.DataFrame:
    """Two rows of records (with the columns of `counters.with_counters` where there are counters) of one problem.

    Columns: what, origin (measured, simulated, derived, modelled), a, b, unit, seconds (that the difference takes at
    the ceilings; missing where no ceiling tells) and share (of the difference in time). What was counted, by a GPU or
    where the code was simulated, stands in the place of what is declared.
    """
    limits = limits_of(ceilings, json.loads(a["shape"]).get("dtype", "float32"))
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
    a, b = ({**row, **counted_of(row)} for row in (a, b))
    _ = (
        add("bytes counted", "measured", "bytes.counted", "B", byte_s)
        or add("bytes simulated", "simulated", "simulated.bytes", "B", byte_s)
        or add("bytes declared", "modelled", "bytes.declared", "B", byte_s)
    )
    launch_s = limits.launch_s or (LAUNCH_S if on_gpu else None)
    _ = (
        add("launches counted", "measured", "launches.counted", "", launch_s)
        or add("launches simulated", "simulated", "simulated.launches", "", launch_s)
        or add("launches declared", "modelled", "launches.declared", "", launch_s)
    )
    flop_s = 1 / limits.matrix_flops_per_s if limits.matrix_flops_per_s else None
    add("FLOPs declared", "modelled", "flops", "FLOP", flop_s)
    add("special functions declared", "modelled", "special", "")
    if not add("instructions", "measured", "instructions", ""):
        add("warp instructions", "simulated", "simulated.instructions", "")
    add("sectors per load", "simulated", "simulated.sectors_per_load", "")
    add("bank conflicts", "simulated", "simulated.conflicts", "%")
    for row in (a, b):
        row |= dict(zip(BUILD_COLUMNS, build_summary(row.get("build")), strict=True))
    add("registers", "measured", "registers", "")
    add("shared memory per block", "measured", "shared_bytes", "B")
    add("occupancy, theoretical", "modelled", "occupancy_theoretical", "%")
    add("occupancy, achieved", "measured", "occupancy_achieved", "%")
    add("dominant stall", "measured", "top_stall", "text")
    add("its share", "measured", "top_stall_share", "%")
    add("floor bound by", "modelled", "floor_bound_by", "text")
    return pd.DataFrame(rows, columns=COLUMNS)


def _number(value: Any, default: float) -> float:
    return default if value is None or pd.isna(value) else float(value)


def rows_of(records: pd.DataFrame, keys: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The records of (run, key), in that order, as dictionaries."""
    indexed = records.set_index(["run", "key"], drop=False)
    return [{str(k): v for k, v in indexed.loc[[key]].iloc[0].items()} for key in keys]
