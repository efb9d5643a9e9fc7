"""How the error grows with a size: of timed variants and of those that were only executed."""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context
from dashboard.show import picture
from workbench.show.markup import plain
from workbench.show.pictures.error_growth import error_growth
from workbench.views.error_growth import error_curves, longest_of_errors


def errors(context: Context) -> None:
    """Nothing where no error is known at two sizes."""
    axis = longest_of_errors(context.records)
    if axis is None:
        return
    found = error_curves(context.records, axis)
    st.markdown(f"##### Error against {plain(axis)}")
    picture(
        error_growth(found, axis, context.style),
        "error_growth",
        f"The worst relative L2 error of each variant against float64 (measured), at {plain(found['others'].iloc[0])}. "
        "`workbench check --error-growth` records it over four decades.",
    )
