"""Runs: when, where and from what each was made, how quiet it was, and what somebody noted of it."""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context
from dashboard.show import frame, nothing, state_of
from dashboard.url import choose_several, set_values
from workbench.show import hints
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.views.run_table import passing, run_table, tags_of


def page(context: Context) -> None:
    st.subheader("Runs: what there is, and how far it can be trusted")
    if not context.runs:
        nothing([hints.no_runs(context.profiles)])
        return
    state_of(context)
    table = run_table(context.runs)
    left, right = st.columns([3, 2])
    with left:
        text = st.text_input("Only runs with", key="runs_text", placeholder="words of a name, host, commit, date, note")
    with right:
        tags = choose_several("Tags", tags_of(table), "tag")
    found = passing(table, text, tags)
    chosen = frame(found, columns_of("runs"), "runs-table", selectable=True)
    st.caption(
        f"{len(found)} of {len(table)} runs; a click on a heading sorts. "
        "`workbench note RUN TEXT --tags A,B` adds a note."
    )
    names = [str(found["run"].iloc[place]) for place in chosen]
    readable = [name for name in names if name in {run.name for run in context.runs if run.state != "corrupt"}]
    if readable:
        look = {"run": readable, "page": ["Ladder"]}
        st.button(f"Look at {plain(', '.join(readable))}", on_click=set_values, args=(look,))
