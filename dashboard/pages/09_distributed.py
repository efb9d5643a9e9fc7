"""Distributed: what the ranks of a training did when, and who was waited for."""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context
from dashboard.show import nothing, picture
from dashboard.url import choose
from workbench.distributed.summary import summary
from workbench.distributed.timeline import arrivals, shares, stretches, trainings
from workbench.distributed.trace import traces
from workbench.problem import Problem
from workbench.show.markup import code, plain
from workbench.show.pictures import ranks as pictures

SHARE = st.column_config.NumberColumn(format="percent")
COLUMNS = {
    "rank": st.column_config.NumberColumn("rank"),
    "total_s": st.column_config.NumberColumn("traced (s)", format="%.3g"),
    "computing": SHARE,
    "hidden": st.column_config.NumberColumn("hidden communication", format="percent"),
    "exposed": st.column_config.NumberColumn("exposed communication", format="percent"),
    "neither": SHARE,
    "last": st.column_config.NumberColumn("came last", help="to how many collectives of all ranks"),
    "collectives": st.column_config.NumberColumn("of collectives"),
    "late_s": st.column_config.NumberColumn("then late by (s, median)", format="%.2e"),
}


def page(context: Context) -> None:
    st.subheader("Training on several ranks")
    found = {folder.name: folder for folder in trainings(context.profiles)}
    name = choose(st.selectbox, "Training", list(found), "training")
    if name is None:
        nothing([
            "No training lies in the profiles folder. `workbench train FILE.py:FUNCTION --out "
            f"{plain(context.profiles)}/training --sequence 2 --trace 3` makes one; traces of torch.profiler of your "
            "own, one per rank, are shown from a folder there too, as `trace-0.json`, `trace-1.json` and so on."
        ])  # fmt: skip
        return
    folder = found[str(name)]
    try:
        done, ranks = summary(folder), traces(folder)
    except Problem as problem:
        st.error(plain(problem))
        return
    if done.steps:
        st.markdown(plain(done.text().splitlines()[0]))
    if not ranks:
        nothing([f"No rank was traced: train with `--trace 3`, or lay traces into {code(folder)}."])
        return
    picture(
        pictures.timeline(stretches(ranks)),
        "ranks",
        "Neither computing nor communicating where it is empty: the host, waits of a pipeline. Ranks that share cores "
        "show that a scheme is right, not how it scales.",
    )
    st.dataframe(shares(ranks), column_config=COLUMNS, hide_index=True, key="shares")
    late = arrivals(ranks)
    if late["collectives"].any():
        st.markdown("##### Who is waited for")
        st.dataframe(late, column_config=COLUMNS, hide_index=True, key="arrivals", placeholder="–")
        st.caption("By the order in which ranks come to each collective: whoever waits longest is not the slow one.")
