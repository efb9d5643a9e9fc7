"""Report: what a profiler saw, kernel by kernel; an imported report opens here."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.measured_code import measured_code_of
from dashboard.show import frame, light_table, nothing, picture, state_of
from dashboard.url import choose, set_values
from workbench.profile.diagnosis import by_kernel, diagnosis
from workbench.show import hints
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.show.pictures import report as pictures
from workbench.show.pictures.time import stacked
from workbench.show.profile_report import UNDER
from workbench.show.report import write_report
from workbench.store.counters import COUNTERS
from workbench.views.counters import launches_of, rule_rows, stalls
from workbench.views.filter import Filter
from workbench.views.query import read_beside, read_records
from workbench.views.report_kernels import (
    Launches,
    counters_of,
    diagnoses,
    ranked_rules,
    report_kernels,
    story,
)
from workbench.views.runs import RunSummary

RULES_SHOWN = 12
KERNELS_DIAGNOSED = 5


def page(context: Context) -> None:
    st.subheader("Report: what the profiler saw, kernel by kernel")
    if not context.chosen:
        nothing([hints.no_runs(context.profiles)])
        return
    state_of(context)
    runs = {run.name: run for run in context.chosen if run.counters}
    if not runs:
        nothing([hints.no_counters(context.chosen)])
        return
    name = choose(st.selectbox, "Report of", list(runs), "report") if len(runs) > 1 else next(iter(runs))
    run = runs[str(name)]
    records = read_records([run], Filter()).frame
    launches = launches_of([run], records)
    kernels = report_kernels(records, launches)
    if kernels.empty:
        nothing(["The run holds counters of no kernel: import the report again."])
        return
    st.markdown(f"**{plain(story(kernels))}**" if story(kernels) else "")
    count = int(kernels["launches.counted"].sum())
    made = run.environment.get("imported_from")
    source = f"{made}, " if made else ""
    st.caption(plain(f"{source}{count:,} launches of {len(kernels):,} kernels on {run.device}. {UNDER}"))
    if kernels["duration_s"].notna().any():
        picture(
            pictures.by_time(kernels),
            "report-kernels",
            "Time of all launches of a kernel under the profiler, and its share of the whole. Bound by: the resource "
            "used most, where over 60 % of its peak; else latency, and the stall says what warps waited for.",
        )
    frame(kernels, columns_of("report"), "report-table")
    rules = ranked_rules(kernels, rule_rows([run], records))
    downloads(context, run, kernels, rules, records)
    diagnosed = diagnoses(kernels, launches)
    st.markdown("##### The workbench's diagnosis")
    if not diagnosed:
        nothing(["Too few counters for one: profile with `ncu --set full`."])
    for kernel, said in diagnosed[:KERNELS_DIAGNOSED]:
        st.markdown(f"**{plain(kernel)}**")
        for text in said:
            st.markdown(f"- {plain(text)}")
    if len(diagnosed) > KERNELS_DIAGNOSED:
        st.caption(f"{len(diagnosed) - KERNELS_DIAGNOSED:,} kernels that took less time: choose one below.")
    st.markdown("##### NVIDIA's rules, by what the report would gain")
    if rules.empty:
        nothing(["NVIDIA's rules found nothing to say, or the report was made without them."])
    else:
        light_table(rules.head(RULES_SHOWN), columns_of("report_rules"))
        if len(rules) > RULES_SHOWN:
            st.caption(f"{len(rules) - RULES_SHOWN:,} more stand in the CSV.")
    waits = stalls(records, launches)
    if len(waits):
        st.markdown("##### What warps waited for")
        title = "share of a warp's time between two instructions (measured)"
        picture(stacked(waits, "reason", title), "report-stalls", "`selected`: the warp issued.")
    one_kernel(run, kernels, launches)


def one_kernel(run: RunSummary, kernels: pd.DataFrame, launches: Launches) -> None:
    st.markdown("##### One kernel")
    names = [f"{place + 1}. {name}" for place, name in enumerate(kernels["kernel"])]
    chosen = kernels.iloc[names.index(str(choose(st.selectbox, "Counters of", names, "report_kernel")))]
    own = launches[chosen["run"], chosen["key"]]
    for text in diagnosis(by_kernel(own)[chosen["signature"]]):
        st.markdown(f"- {plain(text)}")
    table = counters_of(own, chosen["signature"])
    frame(table, list(table.columns), "report-counters")
    measured_code_of(run, chosen["signature"])


def downloads(
    context: Context, run: RunSummary, kernels: pd.DataFrame, rules: pd.DataFrame, records: pd.DataFrame
) -> None:
    """Everything as CSV, and as one file to send; the two that take a while are made when somebody clicks."""

    def every_counter() -> str:
        return read_beside([run], COUNTERS, list(records["key"])).drop(columns="run").to_csv(index=False)

    def page_to_send() -> bytes:
        with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
            return write_report(run, context.catalog, Path(folder) / "report.html").read_bytes()

    with st.container(horizontal=True):
        kernels = kernels.drop(columns=["run", "key"])
        for label, data, end in (
            ("Kernels as CSV", kernels.to_csv(index=False), "kernels.csv"),
            ("Rules as CSV", rules.to_csv(index=False), "rules.csv"),
            ("Every counter as CSV", every_counter, "counters.csv"),
            ("One page to send", page_to_send, "report.html"),
        ):
            st.download_button(label, data, f"{run.name}-{end}", on_click="ignore")
        st.button(
            "Compare with another report", on_click=set_values, args=({"page": "Compare", "compare": "two reports"},)
        )
