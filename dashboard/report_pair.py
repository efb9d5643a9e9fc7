"""Two reports of a profiler beside each other, on the page Compare."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.filter_bar import run_label
from dashboard.show import frame, nothing
from dashboard.url import choose
from workbench.problem import Problem
from workbench.quantity import quantity
from workbench.show.figures import columns_of
from workbench.show.markup import code, plain
from workbench.views.query import kept
from workbench.views.report_pairs import Matched, counter_pairs, figure_pairs, kernel_pairs, match, side_of_run
from workbench.views.rows import number_of
from workbench.views.runs import RunSummary


def two_reports(runs: Sequence[RunSummary], current: RunSummary) -> None:
    """`runs`: those with counters, the newest first; B is by default the one that is looked at."""
    by_name = {run.name: run for run in runs}
    names = list(by_name)
    default_b = names.index(current.name) if current.name in by_name else 0
    default_a = next((place for place in range(len(names)) if place != default_b), default_b)
    left, right = st.columns(2)
    with left:
        a = by_name[
            str(
                choose(
                    st.selectbox, "Report A", names, "report_a", default_a, format_func=lambda n: run_label(by_name[n])
                )
            )
        ]
    with right:
        b = by_name[
            str(
                choose(
                    st.selectbox, "Report B", names, "report_b", default_b, format_func=lambda n: run_label(by_name[n])
                )
            )
        ]
    try:
        found: Matched = kept(
            ("report pair", a.path, b.path, a.stamp, b.stamp), lambda: match(side_of_run(a), side_of_run(b))
        )
    except Problem as problem:
        st.warning(plain(problem))
        return
    for note in found.notes:
        st.caption(plain(note))
    if not found.matches:
        nothing(
            ["No kernel of one report is in the other: they are matched by name, template arguments, grid and block."]
        )
    else:
        kernels = kernel_pairs(found)
        frame(kernels, columns_of("report_pairs"), "report-pairs")
        st.caption("Under the profiler, per launch: durations of a profiler are no times, so there is no verdict.")
        name = choose(st.selectbox, "Counters of", list(kernels["kernel"]), "report_pair")
        figures = figure_pairs(found)
        figures = figures[figures["kernel"] == name]
        read = {
            side: [quantity(number_of(value), unit) for value, unit in zip(figures[side], figures["unit"], strict=True)]
            for side in ("value_a", "value_b")
        }
        frame(
            figures.assign(**read), ["group", "counter", "value_a", "value_b", "b_over_a"], "report-pair-counters", 620
        )
        st.download_button(
            "Every counter of both as CSV", lambda: counter_pairs(found).to_csv(index=False),
            f"{a.name}-{b.name}.csv", "text/csv", on_click="ignore",
        )  # fmt: skip
    for side, only in (("A", found.only_a), ("B", found.only_b)):
        if only:
            st.caption(f"Only in {code(side)}: {plain(', '.join(dict.fromkeys(one.signature for one in only)))}")
