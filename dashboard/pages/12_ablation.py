"""Ablation: what each declared factor does to the time, alone and together with another."""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context
from dashboard.show import frame, has_records, nothing, picture
from dashboard.url import choose, choose_several
from workbench.show import hints
from workbench.show.ablation_text import lone, summary
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.show.pictures.ablation import ablation
from workbench.views.ablation import all_effects, cells, factors_of, pairs, unpaired
from workbench.views.query import tried_of


def page(context: Context) -> None:
    st.subheader("Ablation: what each factor does")
    if not has_records(context):
        return
    records = context.records
    timed = records[records["time.median_s"].notna()]
    if timed.empty:
        nothing([hints.no_times(records, str(context.operation))])
        return
    left, right = st.columns([1, 3])
    with left:
        passes = list(dict.fromkeys(timed["pass"]))
        chosen_pass = choose(st.selectbox, "Of the pass", passes, "ablation_pass")
    rungs = {key: one.rung for key, one in context.known.items()}
    found = cells(timed[timed["pass"] == chosen_pass], [run.name for run in context.chosen], rungs)
    known = factors_of(found)
    with right:
        factors = choose_several("Factors looked at", known, "effect_of") or tuple(known)
    alone, joint = all_effects(found, factors)
    st.markdown(f"**{plain(summary(alone))}**")
    if len(alone):
        together = [pairs(found, factor).assign(factor=factor) for factor in dict.fromkeys(alone["factor"])]
        picture(
            ablation(alone, together),
            "ablation",
            "Diamonds: geometric mean of the pairs' ratios with its 95 % interval (derived), under 1 where the second "
            "level is faster. Dots: the pairs, each of two variants that differ in this factor alone, in one run at "
            "one shape. How far the dots lie apart is how much the effect depends on the shape and the other factors.",
        )
        frame(alone, columns_of("effects"), "effects")
    if len(joint):
        st.markdown("##### Two factors together")
        frame(joint, columns_of("joint"), "joint")
        st.caption("The joint effect is 1 where a factor does the same whatever the level of the other.")
    settings_tried(context)
    if text := lone(unpaired(found, factors)):
        st.caption(plain(text))


def settings_tried(context: Context) -> None:
    """Every setting of the tunables that the sweeps looked at, beside the one that was taken."""
    found = tried_of(context.chosen, context.filter).frame
    if found.empty:
        return
    st.markdown("##### Settings that were tried")
    frame(found, columns_of("tried"), "tried")
    st.caption(
        "The time of an evaluation while tuning (measured, once warm) is good for choosing and is no result; missing "
        "where the answer was wrong. `workbench sweep --tune exhaustive`, `random` or `tpe` looks further than one "
        "tunable at a time."
    )
