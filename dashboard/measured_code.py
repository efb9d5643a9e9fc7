"""The machine code that an imported report carries, with what the profiler counted of each instruction."""

from __future__ import annotations

import streamlit as st

from dashboard.show import frame, nothing
from dashboard.url import choose
from workbench.problem import Problem
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.views.measured_code import by_line, measured_code
from workbench.views.runs import RunSummary

HEIGHT = 620


def measured_code_of(run: RunSummary, kernel: str) -> None:
    """The instructions of a kernel (by its whole name), or what each source line took; says why there are none."""
    try:
        with st.spinner("reading the report"):
            code = measured_code(run, kernel)
    except Problem as problem:
        st.warning(plain(problem))
        return
    if code.empty:
        nothing(
            ["The report has no counters by instruction: profile with `ncu --set full` (or `--import-source yes`)."]
        )
        return
    st.markdown("##### Its machine code (measured)")
    lines = by_line(code)
    words = ["instruction", "source line"] if len(lines) else ["instruction"]
    what = choose(st.segmented_control, "Counted by", words, "measured_by", 0, required=True)
    rows = lines if what == "source line" else code
    frame(rows, columns_of("measured_lines"), f"measured-{what}", HEIGHT)
    if code["text"].isna().all():
        st.caption("NVIDIA's reader has no words for machine code of this architecture: addresses and counts alone.")
    st.caption("One launch of the kernel, as Nsight Compute counted it (measured); a click on a heading sorts.")
