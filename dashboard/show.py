"""How pages show pictures, tables and what is missing."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard.context import Context
from workbench.show import hints
from workbench.show.hints import unreadable
from workbench.show.markup import Html, plain
from workbench.show.pictures.data import csv_of
from workbench.show.pictures.style import titles_wrapped
from workbench.show.table_html import as_html
from workbench.show.tables import SCIENTIFIC, table
from workbench.show.trust import doubts
from workbench.views.shapes import shape_text

VIEW, SAVED_AS, LOOKED_AT = "picture_view", "picture_format", "picture_looked_at"
"""What a visit remembers: in words what is looked at, for names of files and for pictures, and how these are saved."""
LINE = 62
"""Characters that a picture has room for in a line on a narrow screen."""
CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"]}


def picture(figure: go.Figure, key: str, caption: str = "", of: Sequence[str] = ()) -> None:
    """A picture over the whole width, in the theme's colours. Its camera saves it as the visitor has chosen, under a
    name that says what is looked at; below it stands its data as CSV. `of`: what it is of, where that is not what the
    filter has chosen."""
    view = " ".join(of) or str(st.session_state.get(VIEW, ""))
    name = re.sub(r"[^A-Za-z0-9._=-]+", "-", f"{key} {view}").strip("-")[:120]
    lines = _in_lines(of or _looked_at())
    figure.update_layout(
        title={"text": "<br>".join(map(html.escape, lines)), "font": {"size": 11}, "x": 0, "xanchor": "left",
               "y": 1, "yanchor": "top", "yref": "container", "pad": {"t": 4 + 15 * (len(lines) - 1)}},
        margin_t=20 + 15 * len(lines),
    )  # fmt: skip
    saved = {"format": str(st.session_state.get(SAVED_AS, "png")).lower(), "filename": name, "scale": 2}
    st.plotly_chart(titles_wrapped(figure), width="stretch", key=key, config={**CONFIG, "toImageButtonOptions": saved})
    told, data = st.columns([8, 1], vertical_alignment="top")
    with told:
        st.caption(caption)
    with data:
        st.download_button("CSV", csv_of(figure), f"{name}.csv", "text/csv", key=f"{key}_csv", on_click="ignore")


def _looked_at() -> list[str]:
    """Run, device, operation, dtype and, where one is chosen, shape: so that a picture says it wherever it is taken."""
    words = list(st.session_state.get(LOOKED_AT, ()))
    shape = st.session_state.get("shape")
    if "shape" in st.session_state.get("url_drawn", ()) and isinstance(shape, str):
        words.append(shape_text(shape))
    return words


def _in_lines(words: Sequence[str]) -> list[str]:
    lines = [""]
    for word in words:
        joined = f"{lines[-1]} · {word}" if lines[-1] else word
        lines = [*lines[:-1], joined] if len(joined) <= LINE or not lines[-1] else [*lines, word]
    return lines


def frame(
    rows: pd.DataFrame, columns: Sequence[str], key: str, height: int | None = None, selectable: bool = False
) -> list[int]:
    """A table of the named columns in units that suit them; columns in which all is missing are left out. Places of the
    rows that the visitor has chosen, where they are `selectable`."""
    shown, described = table(rows, columns)
    config = {
        column.name: (
            st.column_config.TextColumn(column.heading, help=column.help)
            if column.digits is None
            else st.column_config.NumberColumn(column.heading, help=column.help, format=number_format(column.digits))
        )
        for column in described
    }
    drawn = st.dataframe(
        shown,
        column_config=config,
        hide_index=True,
        key=key,
        height=height or min(35 * (len(shown) + 1) + 3, 640),
        placeholder="–",
        **({"on_select": "rerun", "selection_mode": "multi-row"} if selectable else {}),
    )
    return list(drawn.selection.rows) if selectable else []


def number_format(digits: int) -> str:
    """In Streamlit's words; whole numbers with separators between thousands."""
    return "localized" if digits == 0 else "%.1e" if digits == SCIENTIFIC else f"%.{digits}f"


def dots(plot: Html, of: Sequence[str] = ()) -> None:
    """A dot plot of workbench.show.pictures.dots under a line that says what it is of: what the filter has chosen, or
    `of`."""
    line = " · ".join(of or _looked_at())
    st.html(f"<div class='dots-of'>{html.escape(line)}</div>{plot}")


def light_table(rows: pd.DataFrame, columns: Sequence[str]) -> None:
    """A table that a browser draws without Streamlit's grid, whose script is a megabyte: for the first page."""
    st.html(as_html(rows, columns))


def state_of(context: Context) -> None:
    """What cannot be read and what is unfinished, before anything else is said."""
    _, problems = context.result
    for text in unreadable(context.runs, context.chosen, problems):
        st.warning(text)
    for text in doubts(context.records, [run.run for run in context.chosen if run.run is not None]):
        st.warning(plain(text))


def has_records(context: Context) -> bool:
    """Whether there is something to show of the runs that are chosen; says what is missing where there is not, and
    what cannot be trusted where there is."""
    if not context.chosen:
        nothing([hints.no_runs(context.profiles)])
        return False
    state_of(context)
    if context.records.empty:
        nothing([hints.no_records(context.operation)])
        return False
    return True


def nothing(texts: Sequence[str]) -> None:
    """What is missing and how to get it."""
    for text in texts:
        st.info(text)
