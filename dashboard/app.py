"""The dashboard: `workbench dashboard` runs this file with Streamlit.

The page is a parameter of the URL like everything else that makes up a view. (With a path a page, Streamlit's
frontend asks for its own files under that path first, and every shared link begins with two errors.)
"""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:  # Streamlit puts this file's folder there, not the project's
    sys.path.insert(0, str(HERE.parent))

import streamlit as st  # noqa: E402

from dashboard import url  # noqa: E402
from dashboard.context import profiles_folder  # noqa: E402
from dashboard.filter_bar import filter_bar  # noqa: E402
from dashboard.pages import found  # noqa: E402
from workbench.foreign import first_words  # noqa: E402
from workbench.problem import Problem  # noqa: E402
from workbench.show.markup import plain  # noqa: E402
from workbench.show.pictures.dots import CSS  # noqa: E402
from workbench.views.runs import list_summaries  # noqa: E402


def main() -> None:
    url.read()
    pages = found(HERE / "pages")
    first = 0 if "page" in st.session_state else list(pages).index(first_page())  # asked once in a visit
    name = url.choose(
        st.segmented_control, "Page", list(pages), "page", first, label_visibility="collapsed", required=True
    )
    st.set_page_config(page_title=f"{name} · Scan workbench")  # what tabs, histories and screen readers tell apart
    try:
        context = filter_bar()
        importlib.import_module(f"dashboard.pages.{pages[str(name)]}").page(context)
    except Problem as problem:
        st.error(plain(problem))
    except Exception as error:
        # A run that no reader foresaw costs this view, not the visit; what exactly failed stands in the server's log.
        traceback.print_exc()
        st.error(
            plain(f"This view cannot be drawn from these records ({first_words(error)}); choose other runs above.")
        )
    url.write()


def first_page() -> str:
    """Where a visit begins that names no page: a report that was just imported has a page of its own."""
    newest = next((run for run in list_summaries(profiles_folder()) if run.state != "corrupt"), None)
    return "Report" if newest is not None and "imported_from" in newest.environment else "Ladder"


st.set_page_config(page_title="Scan workbench", page_icon="📐", layout="wide")
st.html(HERE / "style.css")
st.html(CSS)
# One page of Streamlit's own, so that it makes none of the files under pages/.
st.navigation([st.Page(main, title="Scan workbench", default=True)], position="hidden").run()
