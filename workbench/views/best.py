"""The best setting of each variant: a ladder has one rung per variant, however many tunables were tried."""

from __future__ import annotations

import pandas as pd

PROBLEM = ("operation", "pass", "shape", "device", "machine", "backend")
"""Columns that say what was computed and where: records that agree in them differ by variant and settings only."""

SEVERITY = ("ok", "incorrect", "implausible", "crashed", "timeout", "compile_error", "unsupported")
"""Which status stands for a variant that has several: a time first, then what most needs mending."""


def fastest_of(records: str, where: str) -> str:
    """SQL for the run and the key of each record that `best_settings` may choose, over nested records that a condition
    admits: read by the columns that decide alone."""
    words = ", ".join(f"'{status}'" for status in SEVERITY)
    severity = f"coalesce(list_position([{words}], status), {len(SEVERITY) + 1})"
    order = f"{severity}, coalesce(\"time\".median_s, 'Infinity'::DOUBLE), key"
    same = 'run, operation, "pass", axes, dtype, regime, machine, backend, variant'
    return f"SELECT run, arg_min(key, ROW({order})) FROM {records} WHERE {where} GROUP BY {same}"


def best_settings(records: pd.DataFrame, within: tuple[str, ...] = PROBLEM) -> pd.DataFrame:
    """One row per variant, problem and run: its fastest correct setting, or, where none is, the gravest failure.

    Adds `settings_tried`, the number of settings it was chosen from.
    """
    if records.empty:
        return records.assign(settings_tried=pd.Series(dtype="int64"))
    keys = [*within, "variant", *(["run"] if "run" in records else [])]
    severity = {status: place for place, status in enumerate(SEVERITY)}
    # Chosen by the few columns that decide: each copy of all two hundred would cost milliseconds.
    narrow = records[[*dict.fromkeys((*keys, "key", "status", "time.median_s"))]].reset_index(drop=True)
    tried = narrow.groupby(keys, dropna=False)["key"].transform("size")
    ordered = narrow.assign(_severity=narrow["status"].map(severity).fillna(len(severity))).sort_values(
        ["_severity", "time.median_s"], kind="stable", na_position="last"
    )
    places = ordered.drop_duplicates(keys).index.sort_values()
    best = records.iloc[places].assign(settings_tried=tried.iloc[places].to_numpy())
    return best if best.index.is_monotonic_increasing else best.sort_index()
