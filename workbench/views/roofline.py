"""The roofline: a point per record, the ceilings that its machine gave, and the datasheet's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.model.floor import limits_of
from workbench.problem import Problem
from workbench.views.runs import RunSummary


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
            sheet = _datasheet(machine.name, dtype)
            if sheet is not None:
                found.setdefault((machine.name, "datasheet"), sheet)
    return list(found.values())


def _datasheet(name: str, dtype: str) -> Roof | None:
    from workbench.devices import device

    try:
        known = device(name)
    except Problem:
        return None  # a CPU, or a GPU that the data file does not hold
    rate = known.fp32_flops_per_s if dtype == "float32" else known.bf16_flops_per_s
    return Roof(name, "datasheet", known.bandwidth_bytes_per_s, rate)
