"""Bandwidth and roofline: how far from what the machine can do."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.show import frame, has_records, nothing, picture
from dashboard.simulated_architecture import of_architecture
from dashboard.url import axis_of, choose
from workbench.show import hints
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.show.pictures import roofline as pictures
from workbench.views.best import best_settings
from workbench.views.counters import with_counters
from workbench.views.roofline import Roof, datasheet, points, roofs, simulated_points
from workbench.views.scaling import curves, curves_along, longest, others_of
from workbench.views.shapes import shape_text, shapes_of
from workbench.views.simulated import simulated


def page(context: Context) -> None:
    st.subheader("Bandwidth and roofline")
    if not has_records(context):
        return
    records = with_counters(best_settings(context.records), context.launches)
    found, lines = points(records), roofs(context.chosen, str(context.dtype))
    if found.empty:
        nothing([hints.no_times(records, str(context.operation))])
    else:
        picture(
            pictures.roofline(found, lines, context.style),
            "roofline",
            "Solid roofs: ceilings that this run measured. Dashed: the datasheet. A point per record; its bytes are "
            "counted ones where a profiler counted them, else declared.",
        )
    if not any(run.has_ceilings for run in context.chosen):
        nothing([hints.no_ceilings(context.chosen)])
    st.markdown("##### Bytes: least, declared, counted")
    shape = choose(st.selectbox, "Shape", shapes_of(records), "shape", format_func=shape_text)
    moved = records[(records["shape"] == shape) & (records["status"] == "ok")]
    moved = moved[moved["bytes.declared"].notna() | moved["bytes.counted"].notna()]
    if len(moved):
        picture(pictures.bytes_by_origin(moved), "bytes")
    if moved["bytes.counted"].isna().all():
        nothing([hints.no_counters(context.chosen)])
    against_size(context, records, lines)
    if len(found):
        frame(found, columns_of("bandwidth"), "roofline-table")
    counted(context)


def counted(context: Context) -> None:
    """Bytes that the model of caches saw machine code move, and where that puts a variant under a GPU's roof."""
    rows = simulated(context.records, context.known)
    if rows.empty:
        return
    st.markdown("##### Simulated: bytes that machine code moves, executed on the host")
    shapes = list(dict.fromkeys(rows["shape"]))
    shape = choose(st.selectbox, "Swept shape", shapes, "simulated_shape", format_func=shape_text)
    rows = of_architecture(rows[rows["shape"] == shape].reset_index(drop=True))
    for _, row in rows[rows["simulated.finding"].notna()].iterrows():
        st.warning(f"**{plain(row['variant'])}** {plain(row['simulated.finding'])}")
    points_, gpu = simulated_points(context.records, rows), str(rows["simulated.gpu"].iloc[0])
    if len(points_):
        picture(
            pictures.simulated_roofline(points_, datasheet(gpu, str(context.dtype)), context.style),
            "simulated-roofline",
            "Intensity: declared FLOPs over simulated bytes. Height: those FLOPs over the floor of counted resources "
            "(modelled): no kernel can be above its point, and where that is below the roof, another resource than "
            "memory or arithmetic binds.",
        )
    frame(rows, columns_of("simulated_bytes"), "simulated-bytes")


def against_size(context: Context, records: pd.DataFrame, lines: Sequence[Roof]) -> None:
    st.markdown("##### Bandwidth against size")
    axes = curves_along(context.records)
    axis = axis_of("Along", axes, "along", longest(context.records, axes))
    if axis is None:
        nothing([context.no_curve()])
        return
    others = choose(st.selectbox, "At", others_of(context.records, axis), "at")
    chosen = curves(context.records, axis)
    picture(pictures.bandwidth(chosen[chosen["others"] == others], axis, lines, context.style), "bandwidth")
