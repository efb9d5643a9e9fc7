"""Counters of machine code that differ between two variants, or between two runs: no GPU is needed for them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.show import frame, nothing
from dashboard.url import choose
from workbench.show.explanation import simulated_pairs
from workbench.show.markup import code
from workbench.views.simulated import side_by_side, simulated


def simulated_pair(context: Context, a: pd.DataFrame, b: pd.DataFrame) -> None:
    """A choice of one variant of each side's records, and their figures beside each other; nothing where a side has
    none that were simulated."""
    rows_a, rows_b = simulated(a, context.known), simulated(b, context.known)
    if rows_a.empty or rows_b.empty:
        return
    st.markdown("##### Simulated: what machine code does, side by side")
    names_a, names_b = (list(dict.fromkeys(rows["variant"])) for rows in (rows_a, rows_b))
    left, right = st.columns(2)
    with left:
        one = choose(st.selectbox, "Simulated A", names_a, "simulated_a", 0)
    with right:
        other = choose(st.selectbox, "Simulated B", names_b, "simulated_b", min(1, len(names_b) - 1))
    found = side_by_side(rows_a[rows_a["variant"] == one], rows_b[rows_b["variant"] == other])
    if found.empty:
        nothing([f"{code(one)} and {code(other)} were not simulated at the same shape."])
    else:
        frame(
            simulated_pairs(found), ["shape", "architecture", "figure", "origin", "A", "B", "B ÷ A"], "simulated-pairs"
        )
