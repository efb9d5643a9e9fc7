"""The dashboard: `workbench dashboard` runs this file with Streamlit."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # Streamlit puts this file's folder there, not the project's
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from dashboard import url  # noqa: E402
from dashboard.filter_bar import filter_bar  # noqa: E402

PAGES = Path(__file__).resolve().parent / "pages"

st.set_page_config(page_title="Scan workbench", page_icon="📐", layout="wide")
st.html(Path(__file__).resolve().parent / "style.css")
url.start()
page = st.navigation(
    [
        st.Page(PAGES / "01_ladder.py", title="Ladder", url_path="ladder", default=True),
        st.Page(PAGES / "02_occupancy.py", title="Occupancy", url_path="occupancy"),
        st.Page(PAGES / "03_bandwidth.py", title="Bandwidth", url_path="bandwidth"),
        st.Page(PAGES / "04_scaling.py", title="Scaling", url_path="scaling"),
        st.Page(PAGES / "05_time.py", title="Time", url_path="time"),
        st.Page(PAGES / "06_kernel.py", title="Kernel", url_path="kernel"),
        st.Page(PAGES / "07_compare.py", title="Compare", url_path="compare"),
        st.Page(PAGES / "08_import.py", title="Import", url_path="import"),
    ],
    position="top",
)
st.session_state["context"] = filter_bar()
page.run()
url.finish()
