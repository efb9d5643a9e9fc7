"""Which of the architectures that were simulated is looked at: their figures are never mixed in one table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.url import choose


def of_architecture(rows: pd.DataFrame, column: str = "simulated.arch") -> pd.DataFrame:
    """The rows of one architecture: a choice where there are several."""
    archs = list(dict.fromkeys(rows[column]))
    chosen = (
        choose(st.segmented_control, "Simulated architecture", archs, "arch", 0, required=True) if archs[1:] else None
    )
    return rows if chosen is None else rows[rows[column] == chosen].reset_index(drop=True)
