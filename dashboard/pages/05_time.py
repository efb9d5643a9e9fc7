"""Where the time goes: parts of a chain, launches and kernels, stalls, and advice."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.show import frame, light_table, nothing, picture, state_of
from dashboard.simulated_architecture import of_architecture
from dashboard.url import choose
from workbench.profile.import_report import UNNAMED
from workbench.show import hints
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.show.pictures import time as pictures
from workbench.show.pictures.distribution import distribution
from workbench.views.advice import advice
from workbench.views.counters import kernels, rules, stalls
from workbench.views.parts import chain_shares, chains
from workbench.views.shapes import shape_text, shapes_of
from workbench.views.simulated import kernels as kernels_of
from workbench.views.simulated import resources


def page(context: Context) -> None:
    st.subheader("Where the time goes")
    if not context.chosen:
        nothing([hints.no_runs(context.profiles)])
        return
    state_of(context)
    parts(context)
    if context.records.empty:
        nothing([hints.no_records(context.operation)])
        return
    st.markdown(f"##### {plain(context.operation)}: launches, kernels and stalls")
    imported = context.operation == UNNAMED
    chosen = context.records
    if not imported:  # a report's kernels each have a shape of their own: together they are where its time goes
        shape = choose(st.selectbox, "Shape", shapes_of(chosen), "shape", format_func=shape_text)
        chosen = chosen[chosen["shape"] == shape]
    rows = context.ladder(chosen)
    frame(rows, columns_of("launches"), "launches")
    samples(context, chosen)
    from_counters(context, rows)
    counted(context)
    st.markdown("##### Advice of the workbench")
    sentences = advice(context.chosen, rows, context.launches, context.catalog)
    if sentences.empty:
        nothing(["The workbench's rules find nothing to say about these records."])
    for _, row in sentences.iterrows():
        st.markdown(f"- **{plain(row['variant'])}**: {plain(row['sentence'])}")


def parts(context: Context) -> None:
    st.markdown("##### Parts of a chain")
    if not chains(context.catalog):
        nothing([hints.no_chains()])
        return
    everything = context.any_operation
    found = chain_shares(everything, context.catalog)
    if found.empty:
        nothing([hints.no_parts(list(context.catalog.operations))])
        return
    names = list(dict.fromkeys(found["chain"]))
    found = found[found["chain"] == choose(st.selectbox, "Chain", names, "chain", len(names) - 1)]
    picture(
        pictures.parts(found),
        "parts",
        "Each part was timed alone in the same run (derived). What is left over is the chain's own steps (named when "
        "pointed at) and gaps; under zero, the parts gain by standing together.",
    )


def samples(context: Context, chosen: pd.DataFrame) -> None:
    timed = context.sampled[context.sampled["key"].isin(set(chosen.loc[chosen["time.median_s"].notna(), "key"]))]
    timed = timed[timed["samples_s"].map(lambda one: one is not None and len(one) > 1)]
    if timed.empty:
        return
    st.markdown("##### How samples are distributed")
    picture(
        distribution(timed.sort_values("time.median_s"), context.style),
        "distribution",
        "Each row a variant, the fastest on top: the density of its samples (measured) and, below it, the samples. Two "
        "humps are two states of the machine or of the variant; a median then stands for neither. Outliers lie beyond "
        "the right edge: a double click shows all.",
    )


def counted(context: Context) -> None:
    """What each counted resource needs of a GPU that is not at hand: which of them binds."""
    rows, own = resources(context.records), kernels_of(context.records)
    if own.empty:
        return
    st.markdown("##### Simulated: what each resource needs alone (modelled from counted work)")
    own = of_architecture(own)
    rows = rows[rows["key"].isin(own["key"]) & rows["simulated.arch"].isin(own["simulated.arch"])]
    shapes = list(dict.fromkeys(own["shape"]))
    shape = choose(st.selectbox, "Swept shape", shapes, "simulated_shape", format_func=shape_text)
    rows = rows[rows["shape"] == shape]
    if len(rows):
        picture(
            pictures.resources(rows),
            "resources",
            "Seconds on the GPU whose caches were modelled, at its rates; kernels one after the other. The largest of "
            "a variant is its floor: filled where it binds. Nothing here was measured.",
        )
    frame(own[own["shape"] == shape], columns_of("simulated_kernels"), "simulated-kernels")


def from_counters(context: Context, rows: pd.DataFrame) -> None:
    if rows["launches.counted"].isna().all():
        nothing([hints.no_counters(context.chosen)])
        if context.launches:
            nothing([hints.counted_elsewhere(context.records, context.launches)])
        return
    waits, times = stalls(rows, context.launches), kernels(rows, context.launches)
    whole = "report" if context.operation == UNNAMED else "record"
    if len(times):
        picture(
            pictures.stacked(
                times,
                "kernel",
                f"share of the time of the {whole} (measured under the profiler)",
            ),
            "kernels",
            "Under the profiler, which flushes caches: compare kernels with each other, never with the sweep's times.",
        )
    if len(waits):
        picture(
            pictures.stacked(waits, "reason", "share of a warp's time between two instructions (measured)"),
            "stalls",
            "`selected`: the warp issued. The others: what it waited for.",
        )
    else:
        nothing(["These counters hold no stall reasons: profile again with the section WarpStateStats."])
    st.markdown("##### NVIDIA's rules")
    found = rules(context.chosen, rows)
    if found.empty:
        nothing(["NVIDIA's rules found nothing to say, or the report was made without them."])
    else:
        light_table(found, list(found.columns))
