"""Published experiments that the chosen runs have figures of: ours beside the published ones."""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context
from dashboard.url import choose
from workbench.experiments import load_experiments
from workbench.show.experiment import pieces
from workbench.show.markup import plain
from workbench.views.experiments import compare_experiment


def experiments(context: Context) -> None:
    """Nothing where the chosen runs hold no figure of any."""
    known, broken = load_experiments(next(iter(context.catalog.roots), None))
    for problem in broken:
        st.warning(plain(str(problem)))
    compared = [(one, compare_experiment(one, context.chosen)) for one in known]
    found = {one.name: (one, own) for one, own in compared if own.has_ours}
    if not found:
        return
    st.markdown("##### Published experiments, repeated")
    name = choose(st.selectbox, "Experiment", list(found), "experiment")
    if name in found:
        st.html("".join(pieces(*found[name])))
