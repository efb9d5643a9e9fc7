"""Where one variant takes over from another, and all of it as the table that layers choose by."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.context import Context
from workbench.dispatch.export import entries
from workbench.dispatch.table import table_text
from workbench.show.markup import plain
from workbench.views.scaling import crossovers


def takeovers(context: Context, cells: pd.DataFrame, across: str, down: str | None, device: str) -> None:
    """A line for each, below a map of the fastest."""
    found = crossovers(cells)
    for _, row in found.iterrows():
        at = f", {down} = {row['down']:,}" if down is not None else ""
        where = f"from {plain(across)} ≈ {row['size']:,.0f} on" if pd.notna(row["size"]) else "after a tie"
        st.markdown(
            f"- {where}, **{plain(row['after'])}** in place of {plain(row['before'])}{plain(at)} "
            f"(between {row['low']:,} and {row['high']:,}; derived)"
        )
    kept, _ = entries(context.chosen, (str(context.operation),))
    own = tuple(e for e in kept if e.machine == device and e.dtype in context.filter.dtypes)
    if own:
        name = f"dispatch-{context.operation}-{own[0].device}.json"
        st.download_button("As a dispatch table", table_text(own), name, "application/json", key="dispatch_table")
