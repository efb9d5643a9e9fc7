"""Bandwidth and roofline: how far from what the machine can do."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.show import frame, nothing, picture, state_of
from dashboard.url import choose
from workbench.show import missing
from workbench.show.pictures import roofline as figures
from workbench.views.best import best_settings
from workbench.views.counters import with_counters
from workbench.views.problems import problems, shape_text
from workbench.views.roofline import Roof, points, roofs
from workbench.views.scaling import AXES, curves, others_of

COLUMNS = [
    "variant", "problem", "run", "device", "intensity", "flops_per_s", "bandwidth_bytes_per_s", "time.median_s",
    "share_of_floor", "floor_bound_by", "share_of_ceiling", "bytes.least", "bytes.declared", "bytes.counted",
    "settings",
]  # fmt: skip


def page(context: Context) -> None:
    st.subheader("Bandwidth and roofline")
    if not context.chosen:
        nothing([missing.no_runs(context.profiles)])
        return
    state_of(context)
    if context.records.empty:
        nothing([missing.no_records(context.operation)])
        return
    records = with_counters(best_settings(context.records), context.launches)
    found, lines = points(records), roofs(context.chosen, str(context.dtype))
    if found.empty:
        nothing([missing.no_times(records, str(context.operation))])
    else:
        picture(
            figures.roofline(found, lines, context.style),
            "roofline",
            "Solid roofs: ceilings that this run measured. Dashed: the datasheet. A point a record; its bytes are "
            "counted ones where a profiler counted them, else declared.",
        )
    if not any(run.has_ceilings for run in context.chosen):
        nothing([missing.no_ceilings(context.chosen)])
    st.markdown("##### Bytes: least, declared, counted")
    shape = choose(st.selectbox, "Shape", problems(records), "shape", format_func=shape_text)
    moved = records[(records["shape"] == shape) & (records["status"] == "ok")]
    moved = moved[moved["bytes.declared"].notna() | moved["bytes.counted"].notna()]
    if len(moved):
        picture(figures.bytes_by_origin(moved), "bytes")
    if moved["bytes.counted"].isna().all():
        nothing([missing.no_counters(context.chosen)])
    against_size(context, records, lines)
    if len(found):
        frame(found, COLUMNS, "roofline-table")


def against_size(context: Context, records: pd.DataFrame, lines: Sequence[Roof]) -> None:
    st.markdown("##### Bandwidth against size")
    axes = [axis for axis in AXES if len(curves(context.records, axis))]
    axis = choose(st.segmented_control, "Along", axes, "along", axes.index("T") if "T" in axes else 0, required=True)
    if axis is None:
        nothing([missing.no_curve(str(context.operation), "T")])
        return
    others = choose(st.selectbox, "At", others_of(context.records, axis), "at")
    chosen = curves(context.records, axis)
    picture(figures.bandwidth(chosen[chosen["others"] == others], axis, lines, context.style), "bandwidth")
