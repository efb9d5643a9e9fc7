"""Ladder: the variants of an operation from naive to best, and what each rung moved."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.show import dots, light_table, nothing, state_of
from dashboard.url import choose, switched
from workbench.declare import Shape
from workbench.devices import devices, for_arch
from workbench.model.modelled import default_shape, modelled_ladder, shape_of
from workbench.show import hints
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.show.pictures import ladder as pictures
from workbench.show.story import story
from workbench.store.record import UNTIMED
from workbench.views.shapes import shape_text, shapes_of
from workbench.views.simulated import simulated

ORDERS: dict[str, tuple[str, bool] | None] = {
    "rung": None,
    "time": ("time.median_s", True),
    "% of its own model": ("share_of_floor", False),
    "% of the best possible": ("share_of_limit", False),
    "bytes": ("bytes.declared", True),
    "error": ("error.relative_l2", True),
}
"""What the table can be ordered by: the column, and whether its least comes first."""


def page(context: Context) -> None:
    st.subheader("Ladder: from naive to best")
    if not context.chosen:
        nothing([hints.no_runs(context.profiles)])
        without_runs(context)
        return
    state_of(context)
    records = context.records
    if records.empty:
        nothing([hints.no_records(context.operation)])
        return
    shape = choose(
        st.selectbox,
        "Shape",
        shapes_of(records[~records["backend"].isin(UNTIMED)]) or shapes_of(records),
        "shape",
        format_func=shape_text,
    )
    rows = context.ladder(records[records["shape"] == shape])
    timed = rows[rows["time.median_s"].notna()]
    untimed = rows[rows["time.median_s"].isna() & ~rows["backend"].isin(UNTIMED)]
    if len(timed):
        st.markdown(f"**{plain(story(timed))}**")
        dots(pictures.times(timed, context.style))
        dots(pictures.moved(timed, context.style))
        light_table(in_order(timed), columns_of("ladder"))
        st.download_button(
            "Table as CSV", lambda: timed.drop(columns="samples_s").to_csv(index=False), "ladder.csv", on_click="ignore"
        )
        if timed["floor_s"].isna().all():
            nothing([hints.no_ceilings(context.chosen)])
    else:
        nothing([hints.no_times(records, str(context.operation))])
    if len(untimed):
        st.markdown("##### Without a time")
        light_table(untimed, columns_of("untimed"))
    counted(context, records, str(shape))
    without_gpu = records[records["backend"].isin(UNTIMED)]
    if len(without_gpu):
        st.markdown("##### CUDA kernels without a GPU: compiled and executed, never timed")
        light_table(context.ladder(without_gpu), columns_of("untimed"))
    if context.operation in context.catalog.operations:
        modelled(context, str(context.operation), shape_of(str(shape)))


def counted(context: Context, records: pd.DataFrame, shape: str) -> None:
    """Variants whose machine code was executed on the host, at the shape that is looked at; else at the shapes that
    they were counted at."""
    rows = simulated(records, context.known)
    if rows.empty:
        return
    st.markdown("##### CUDA kernels without a GPU: machine code executed on the host and counted, never timed")
    gpus = [known.name for arch in dict.fromkeys(rows["simulated.arch"]) for known in for_arch(str(arch))]
    gpu = choose(st.selectbox, "Modelled GPU", gpus, "gpu", format_func=lambda name: devices()[name].title)
    shapes = list(dict.fromkeys(rows["shape"]))
    at = shape if shape in shapes else choose(st.selectbox, "Simulated shape", shapes, "at", format_func=shape_text)
    rows = simulated(records, context.known, str(gpu))
    rows = rows[(rows["shape"] == at) & (rows["simulated.arch"] == devices()[str(gpu)].arch)].reset_index(drop=True)
    for _, row in rows[rows["simulated.finding"].notna()].iterrows():
        st.warning(f"**{plain(row['variant'])}** {plain(row['simulated.finding'])}")
    names = ", ".join(dict.fromkeys(map(str, rows["run"])))
    what = f"{context.operation} {shape_text(str(at))}"
    dots(pictures.counted(rows, context.style), (names, f"simulated for {devices()[str(gpu)].title}", what))
    if rows["simulated.floor_s"].notna().any():
        st.caption(
            "Floor: the least time for what was counted, at the rates of that GPU (modelled); the table has the "
            "resource that sets it. Nothing here was measured."
        )
    light_table(rows, columns_of("simulated"))


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table as the visitor wants them; what has no such figure comes last."""
    order = ORDERS[str(choose(st.segmented_control, "Table by", list(ORDERS), "order", required=True))]
    return rows if order is None else rows.sort_values(order[0], ascending=order[1], kind="stable")


def modelled(context: Context, operation: str, shape: Shape) -> None:
    st.markdown("##### Modelled on a GPU that is not at hand")
    # Only drawn when asked for: it would cost every visitor a quarter of the first page's time.
    if not context.chosen or switched(st.toggle, "Show what declared costs and a datasheet allow", "modelled"):
        device = choose(st.selectbox, "Device", list(devices()), "device", format_func=lambda d: devices()[d].title)
        rows = modelled_ladder(context.catalog, str(device), [(operation, shape)])
        if rows["modelled_s"].notna().any():
            title = devices()[str(device)].title
            dots(pictures.modelled(rows, context.style), (f"{title}, modelled", f"{operation} {shape}"))
            st.caption("Nothing here was measured: the least time for what each variant declares, by the datasheet.")
        light_table(rows, columns_of("modelled"))


def without_runs(context: Context) -> None:
    """What can be shown of every operation before anything was measured."""
    operation = choose(st.selectbox, "Operation", list(context.catalog.operations), "operation")
    if operation is not None:
        modelled(context, operation, default_shape(context.catalog.operations[operation]))
