"""History: a variant's times over commits and dates, and the steps between them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.show import frame, nothing, picture, state_of
from dashboard.url import choose
from workbench.show import hints
from workbench.show.figures import columns_of
from workbench.show.history_text import step_text, summary
from workbench.show.markup import plain
from workbench.show.pictures.history import history
from workbench.views.filter import Filter
from workbench.views.history import points, steps_of
from workbench.views.query import read_records
from workbench.views.shapes import shape_text, shapes_of


def page(context: Context) -> None:
    st.subheader("History: how a variant's time came about")
    runs = [run for run in context.runs if run.state != "corrupt"]
    if not runs:
        nothing([hints.no_runs(context.profiles)])
        return
    state_of(context)
    st.caption("Of all runs in the profiles folder, not only of those chosen above; each host and device by itself.")
    wanted = Filter(operations=context.filter.operations, dtypes=context.filter.dtypes, passes=context.filter.passes)
    records = read_records(runs, wanted, machine_code=False).frame
    timed = records[records["time.median_s"].notna()]
    if timed.empty:
        nothing(
            [hints.no_times(records, str(context.operation)) if len(records) else hints.no_records(context.operation)]
        )
        return
    found = chosen(timed)
    found = points(found, runs)
    steps = steps_of(found, runs)
    along = choose(st.segmented_control, "Along", ["dates", "commits"], "history_along", required=True)
    st.markdown(f"**{plain(summary(found, steps))}**")
    picture(
        history(found, steps, by_commit=along == "commits"),
        "history",
        "Points: median (measured) with its 95 % interval, hollow where the machine was disturbed. Lines: the level "
        "between two steps (derived). A step is a change that the runs bear out with 99 % confidence.",
        ("every run", f"{context.operation} {context.dtype}"),
    )
    for step in steps:
        st.markdown(f"- {plain(step_text(step))}")
    frame(found.sort_values("created", ascending=False), columns_of("history"), "history-table")


def chosen(timed: pd.DataFrame) -> pd.DataFrame:
    """The records of one variant at one shape in one pass."""
    counts = timed.groupby(["variant", "pass"], sort=False)["run"].nunique().sort_values(ascending=False, kind="stable")
    names = [(str(variant), str(pass_)) for variant, pass_ in counts.index]
    several = len({pass_ for _, pass_ in names}) > 1
    left, right = st.columns(2)
    with left:
        labels = [f"{variant}, {pass_}" if several else variant for variant, pass_ in names]
        label = choose(st.selectbox, "Variant", labels, "history_variant")
    variant, pass_ = names[labels.index(str(label))]
    own = timed[(timed["variant"] == variant) & (timed["pass"] == pass_)]
    with right:
        shapes = sorted(shapes_of(own), key=lambda shape: -own.loc[own["shape"] == shape, "run"].nunique())
        shape = choose(st.selectbox, "Shape", shapes, "history_shape", format_func=shape_text)
    return own[own["shape"] == shape]
