"""The roofline: a point per record, the ceilings that its machine gave, and the datasheet's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.model.floor import limits_of
from workbench.problem import Problem
from workbench.views.runs import RunSummary
from workbench.views.shapes import sizes_of
from workbench.views.simulated import entries_of


@dataclass(frozen=True)
class Roof:
    """One roof: a bandwidth that rises with intensity up to a compute rate; either may be unknown."""

    name: str
    origin: str
    """`measured` in the run, or `datasheet`."""
    bytes_per_s: float | None
    flops_per_s: float | None


def points(records: pd.DataFrame) -> pd.DataFrame:
    """Timed records with `intensity` (FLOPs per byte) and `bytes_from`: counted bytes where the counters have them,
    else declared ones."""
    timed = records[records["time.median_s"].notna() & records["flops"].notna()]
    counted = timed["bytes.counted"].astype("Float64")
    moved = counted.fillna(timed["bytes.declared"].astype("Float64"))
    found = timed.assign(
        intensity=timed["flops"].astype("Float64") / moved,
        bytes_from=counted.notna().map({True: "counted", False: "declared"}),
    )
    return found[found["intensity"].notna() & (found["intensity"] > 0)]


def roofs(runs: Sequence[RunSummary], dtype: str) -> list[Roof]:
    """The roofs of the runs' devices: what each machine gave, and its datasheet where that is known."""
    found: dict[tuple[str, str], Roof] = {}
    for run in runs:
        for machine in run.machines:
            limits = limits_of(machine.ceilings, dtype)
            if limits.bytes_per_s or limits.matrix_flops_per_s:
                roof = Roof(machine.name, "measured", limits.bytes_per_s, limits.matrix_flops_per_s)
                found.setdefault((machine.name, "measured"), roof)
            sheet = datasheet(machine.name, dtype)
            if sheet is not None:
                found.setdefault((machine.name, "datasheet"), sheet)
    return list(found.values())


def simulated_points(records: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `views.simulated` with `flops` (declared, at the swept shape), `intensity` (those over simulated bytes)
    and `flops_per_s` (those over the floor of counted resources: modelled); only those that have all of them."""
    flops = []
    for row in rows.to_dict("records"):
        own = records.loc[(records["run"] == row["run"]) & (records["key"] == row["key"]), "simulated"]
        entries = entries_of(own.iloc[0]) if len(own) else []
        swept = [e for e in entries if e.axes == e.swept and sizes_of(row["shape"]) == e.swept]
        work = swept[0].declared if swept else None
        flops.append(((work.flops or 0) + (work.matrix_flops or 0) if work else 0) or None)
    done = pd.Series(flops, index=rows.index, dtype="Float64")
    moved, floor = rows["simulated.bytes"].astype("Float64"), rows["simulated.floor_s"].astype("Float64")
    found = rows.assign(flops=done, intensity=done / moved, flops_per_s=done / floor)
    return found[found["intensity"].notna() & found["flops_per_s"].notna()]


def datasheet(name: str, dtype: str) -> Roof | None:
    """The roof of a device of the data file; None for what it does not hold."""
    from workbench.devices import device

    try:
        known = device(name)
    except Problem:
        return None  # a CPU, or a GPU that the data file does not hold
    rate = known.fp32_flops_per_s if dtype == "float32" else known.bf16_flops_per_s
    return Roof(name, "datasheet", known.bandwidth_bytes_per_s, rate)
