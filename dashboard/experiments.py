"""Published experiments that the chosen runs have figures of: ours beside the published ones."""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context
from dashboard.url import choose
from workbench.show.experiment import pieces
from workbench.show.markup import plain
from workbench.views.experiments import held_by


def experiments(context: Context) -> None:
    """Nothing where the chosen runs hold no figure of any."""
    held, broken = held_by(context.catalog, context.chosen)
    for problem in broken:
        st.warning(plain(str(problem)))
    found = {one.name: (one, own) for one, own in held}
    if not found:
        return
    st.markdown("##### Published experiments, repeated")
    name = choose(st.selectbox, "Experiment", list(found), "experiment")
    if name in found:
        st.html("".join(pieces(*found[name])))
