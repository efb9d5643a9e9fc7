"""Compare: two runs or two variants, a verdict for each shape, and why."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.filter_bar import run_label
from dashboard.report_pair import two_reports
from dashboard.show import frame, nothing, picture
from dashboard.simulated_pair import simulated_pair
from dashboard.url import choose, switched
from workbench.show import hints
from workbench.show.compare_text import as_markdown, summary, verdict_text
from workbench.show.explanation import in_words, shown
from workbench.show.figures import columns_of
from workbench.show.markup import code, plain
from workbench.show.pictures import compare as pictures
from workbench.views.compare import Comparison, compare
from workbench.views.counters import launches_of, with_counters
from workbench.views.explain import explain, rows_of
from workbench.views.filter import Filter
from workbench.views.pairing import earlier_run
from workbench.views.query import read_records
from workbench.views.runs import RunSummary
from workbench.views.shapes import shape_text


def page(context: Context) -> None:
    st.subheader("Compare: is B faster or slower than A, and why")
    runs = {run.name: run for run in context.runs if run.state != "corrupt"}
    if not runs:
        nothing([hints.no_runs(context.profiles)])
        return
    current = next((run for run in context.chosen if run.name in runs), next(iter(runs.values())))
    before = earlier_run(current, context.runs)
    reports = [run for run in runs.values() if run.counters]
    kinds = ["two variants", "two runs", *(["two reports"] if reports else [])]
    default = 2 if "imported_from" in current.environment and reports else int(before is not None)
    what = choose(st.segmented_control, "Compare", kinds, "compare", default, required=True)
    if what == "two reports":
        two_reports(reports, current)
        return
    pair = two_runs(runs, current, before) if what == "two runs" else two_variants(context, runs, current)
    if pair is None:
        return
    run_a, variant_a, run_b, variant_b = pair
    left, right = st.columns(2)
    with left:
        across_devices = switched(st.checkbox, "compare across devices", "across_devices")
    with right:
        across_timers = switched(st.checkbox, "compare across timers", "across_timers")
    result = compare(
        records(context, run_a, variant_a),
        records(context, run_b, variant_b),
        same_variant=variant_a is None,
        across_devices=across_devices,
        across_timers=across_timers,
    )
    st.markdown(f"**{summary(result)}**")
    for note in result.notes:
        st.caption(plain(note))
    simulated_pair(context, records(context, run_a, None), records(context, run_b, None))
    if result.pairs:
        verdicts(result, context, {run_a.name: run_a, run_b.name: run_b})
        with st.expander("As Markdown, for a pull request"):
            st.code(as_markdown(result, variant_a or run_a.name, variant_b or run_b.name), language="markdown")


def two_runs(
    runs: dict[str, RunSummary], current: RunSummary, before: RunSummary | None
) -> tuple[RunSummary, None, RunSummary, None]:
    """B is by default the run that is looked at, A the one before it that timed some of the same."""
    names = list(runs)
    default_b = names.index(current.name)
    default_a = default_b if before is None else names.index(before.name)
    left, right = st.columns(2)
    with left:
        a = choose(st.selectbox, "A", list(runs), "a", default_a, format_func=lambda name: run_label(runs[name]))
    with right:
        b = choose(st.selectbox, "B", list(runs), "b", default_b, format_func=lambda name: run_label(runs[name]))
    return runs[str(a)], None, runs[str(b)], None


def two_variants(
    context: Context, runs: dict[str, RunSummary], current: RunSummary
) -> tuple[RunSummary, str, RunSummary, str] | None:
    names = list(runs)
    run_column, left, right = st.columns(3)
    with run_column:
        name = choose(
            st.selectbox, "Run", names, "in", names.index(current.name), format_func=lambda name: run_label(runs[name])
        )
    run = runs[str(name)]
    timed = records(context, run, None)
    variants = list(dict.fromkeys(timed.loc[timed["time.median_s"].notna(), "variant"])) if len(timed) else []
    if len(variants) < 2:
        where = f"{code(context.operation)} were timed in {code(run.name)}"
        nothing([f"Fewer than two variants of {where}; choose another run."])
        simulated_pair(context, timed, timed)
        return None
    with left:
        a = choose(st.selectbox, "Variant A", variants, "variant_a", 0)
    with right:
        b = choose(st.selectbox, "Variant B", variants, "variant_b", 1)
    return run, str(a), run, str(b)


def records(context: Context, run: RunSummary, variant: str | None) -> pd.DataFrame:
    operations = (context.operation,) if context.operation else ()
    only = Filter(operations=operations, variants=(variant,) if variant else (), dtypes=context.filter.dtypes)
    return read_records([run], only, samples=True).frame


def verdicts(result: Comparison, context: Context, runs: dict[str, RunSummary]) -> None:
    pairs = result.frame()
    picture(
        pictures.ratios(pairs),
        "ratios",
        "Medians' ratio with its 99 % bootstrap interval, over 1 where B is slower; grey is the noise of its case.",
    )
    frame(pairs, columns_of("pairs"), "pairs")
    st.markdown("##### Why")
    names = [f"{p.variant_a} → {p.variant_b}, {shape_text(p.shape)}" for p in result.pairs]
    name = choose(st.selectbox, "Pair", names, "pair")
    pair = result.pairs[names.index(str(name))]
    everything = read_records(list(runs.values()), Filter(operations=(pair.operation,))).frame
    a, b = rows_of(
        with_counters(everything, launches_of(list(runs.values()), everything)),
        [(pair.run_a, pair.key_a), (pair.run_b, pair.key_b)],
    )
    found = explain(a, b, runs[pair.run_b].ceilings_of(b["machine"]))
    missing = "top_stall" not in a or a["top_stall"] is None
    st.markdown(in_words(found, verdict_text(pair), pair.backend, missing_counters=missing))
    frame(shown(found), ["what", "origin", "A", "B", "accounts for", "share of difference"], "why")
