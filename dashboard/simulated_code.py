"""What every line of a simulated kernel did: source, PTX and machine code, as Nsight's source view has them."""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context
from dashboard.show import frame
from dashboard.simulated_architecture import of_architecture
from dashboard.url import choose
from workbench.declare import FORWARD, variant_key
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.views.machine_code import sources_of
from workbench.views.rows import dicts_of
from workbench.views.simulated import by_source_line, counters, executed

HEIGHT = 620


def simulated_code_of(context: Context, operation: str, name: str, dtype: str) -> None:
    """Source and machine code with what each line did, as Nsight's source view has it; simulated."""
    code = executed(context.chosen, operation, name, dtype)
    if code.empty:
        return
    code = of_architecture(code, "arch")
    arch = code["arch"].iloc[0]
    record = f"{operation}/{name} in {code['run'].iloc[0]}"
    st.markdown(f"##### Simulated: what each line of {plain(record)} did")
    today = context.known.get(variant_key(operation, name, FORWARD))
    own = code["sources"].iloc[0]
    if today is not None and own and own != today.sources:
        st.warning("It was simulated from other sources than are there now: texts of lines may have moved.")
    left, right = st.columns([2, 3])
    functions = list(dict.fromkeys(code["kernel"]))
    with left:
        kernel = choose(st.selectbox, "Simulated kernel", functions, f"simulated_{operation}_{name}")
        code = code[code["kernel"] == kernel]
        lines = by_source_line(code, sources_of(context.catalog, operation, name))
    with right:
        levels = {"SASS": "sass"} | ({"PTX": "ptx"} if "ptx" in set(code["level"]) else {})
        words = ["source line", *reversed(levels), "counter"]
        what = choose(st.segmented_control, "By", words, "by", 0, required=True)
    if what == "counter":
        rows = context.any_operation
        rows = rows[(rows["operation"] == operation) & (rows["variant"] == name) & (rows["shape.dtype"] == dtype)]
        table = counters(rows)
        frame(
            table[(table["kernel"] == kernel) & (table["arch"] == arch)], columns_of("counters"), "simulated-counters"
        )
        st.caption("Nsight Compute's names; what is not here is absent: PTX and machine code do not tell it.")
    elif what in levels:
        texts = {f"{row['file']}:{row['line']}": row["text"] for row in dicts_of(lines)}
        every = "all source lines"
        only = choose(
            st.selectbox,
            "Of source line",
            [every, *texts],
            "of_line",
            0,
            format_func=lambda one: f"{one}  {texts.get(one, '')}",
        )
        code = code[code["level"] == levels[what]].sort_values("threads", ascending=False, kind="stable")
        code = code[(only == every) | (code["file"] + ":" + code["line"].astype(str) == only)]
        frame(code, columns_of("lines"), f"simulated-{levels[what]}", HEIGHT)
        if what == "PTX":
            st.caption("PTX is before ptxas, which merges, predicates and unrolls: SASS has what a GPU executes.")
    else:
        frame(lines, columns_of("lines"), "simulated-lines", HEIGHT)
    st.caption("Executed on the host and counted (simulated), hottest first; a click on a heading sorts. Never timed.")
