"""The filter that all pages share, above the page: runs, operation, dtype, and the rest behind one button."""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context, catalogue, ladder_places, profiles_folder
from dashboard.show import LOOKED_AT, SAVED_AS, VIEW
from dashboard.url import choose, choose_several
from dashboard.words import words
from workbench.show.markup import plain
from workbench.views.filter import Choices, Filter
from workbench.views.query import choices
from workbench.views.runs import RunSummary, list_summaries
from workbench.views.shapes import UNKNOWN


def filter_bar() -> Context:
    """Draws the filter and returns the view that it describes."""
    profiles = profiles_folder()
    runs = list_summaries(profiles)
    catalog = catalogue()
    known, style = ladder_places()
    readable = [run for run in runs if run.state != "corrupt"]
    by_name = {run.name: run for run in readable}
    if not readable:
        words()
        return Context(profiles, catalog, known, style, runs, (), None, None, Filter())
    runs_column, operation_column, dtype_column, more_column, words_column = st.columns(
        [6, 2, 2, 2, 1.3], vertical_alignment="bottom"
    )
    with words_column:
        words()
    with runs_column:
        names = choose_several(
            "Runs", list(by_name), "run", [next(iter(by_name))], format_func=lambda name: run_label(by_name[name])
        )
    chosen = tuple(by_name[name] for name in names) or tuple(readable)
    found = choices(chosen)
    order = [*catalog.operations, *(name for name in found.operations if name not in catalog.operations)]
    operations = [name for name in order if name in found.operations]
    with operation_column:
        default = operations.index(next(iter(found.axes), operations[0])) if operations else 0
        operation = choose(st.selectbox, "Operation", operations, "operation", default)
    with dtype_column:
        dtypes = sorted(found.dtypes.get(str(operation), ()), key=lambda name: name != "float32")
        dtype = choose(st.selectbox, "dtype", dtypes, "dtype")
    with more_column:
        selection = _more(found, operation, dtype, names)
    what = " ".join(word for word in (operation, dtype) if word not in (None, UNKNOWN))
    st.session_state[VIEW] = " ".join(filter(None, (*names[:3], what)))
    devices = dict.fromkeys(run.device for run in chosen[:3] if run.device)
    st.session_state[LOOKED_AT] = [*filter(None, (", ".join(names[:3]), ", ".join(devices), what))]
    return Context(profiles, catalog, known, style, runs, chosen, operation, dtype, selection)


def run_label(run: RunSummary) -> str:
    """Name and device; the date where the name has none; what state it is in where it is not finished."""
    parts = [run.name, run.device if run.device.lower() not in run.name.lower() else ""]
    return " · ".join(filter(None, (*parts, "unfinished" if run.state == "unfinished" else "")))


def _more(found: Choices, operation: str | None, dtype: str | None, runs: tuple[str, ...]) -> Filter:
    with st.popover("More filters", width="stretch"):
        st.caption("Nothing chosen admits everything. The filter stands in the URL.")
        variants = choose_several("Variants", found.variants, "variant")
        factors = choose_several("Factors", found.factors, "factor")
        left, right = st.columns(2)
        with left:
            passes = choose_several("Pass", found.passes, "pass")
        with right:
            backends = choose_several("Backend", found.backends, "backend")
        machines = choose_several("Machine", found.machines, "machine") if found.machines[1:] else ()
        sizes = []
        for axis in found.axes.get(str(operation), ()):
            label = plain(axis)
            chosen = choose_several(label, found.sizes[axis], f"size.{axis}", format_func=lambda size: f"{size:,}")
            if chosen:
                sizes.append((axis, chosen))
        choose(st.segmented_control, "Pictures are saved as", ["PNG", "SVG"], SAVED_AS, required=True)
    return Filter(
        runs=runs,
        operations=(operation,) if operation else (),
        variants=variants,
        dtypes=(dtype,) if dtype else (),
        passes=passes,
        backends=backends,
        machines=machines,
        sizes=tuple(sizes),
        factors=factors,
    )
