"""Two rungs of an operation beside each other: what one idea changed in the source, and in the machine code."""

from __future__ import annotations

import streamlit as st

from dashboard.show import nothing
from dashboard.url import choose
from workbench.catalog import Catalog
from workbench.compile.catalogue import BuildRow
from workbench.problem import Problem
from workbench.show.code_view import counts_view, pair_view
from workbench.show.markup import code, plain
from workbench.views.code_pair import machine_code, operation, paired, source_code, told, written
from workbench.views.machine_code import compiled, lines_of

NONE = "no other"


def bring_into_view(number: int | None) -> None:
    """Scrolls the code above to the line that was chosen: its box alone, and not the page."""
    if number is None:
        return
    # Nothing but a whole number goes into it; the code itself is drawn without scripts. It goes on looking: while a
    # page is drawn its style may come after it, and its elements may be put there anew.
    st.html(
        f"""<script>(function seek(tries) {{
        const line = document.querySelector('.code [data-line="{int(number)}"].chosen');
        const box = line && line.closest('.code');
        if (box && !line.sought && box.scrollHeight > box.clientHeight + 1) {{
          box.scrollTop = line.offsetTop - (box.clientHeight - line.offsetHeight) / 2;
          line.sought = true;
        }}
        if (tries) setTimeout(() => seek(tries - 1), 50);
        }})(100);</script>""",
        unsafe_allow_javascript=True,
    )


def beside(catalog: Catalog, operation_name: str, name: str, row: BuildRow) -> None:
    """The kernel of `row` against that of another variant of the operation, for the same dtype and architecture."""
    st.markdown("##### What another rung does otherwise")
    others = [v.name for v in catalog.variants[operation_name] if v.name != name and v.own_kernels]
    if row.unit is None or not others:
        return
    left, middle, right = st.columns([3, 3, 4])
    with left:
        other = choose(st.selectbox, "Beside it", [NONE, *dict.fromkeys(others)], f"beside_{operation_name}")
    if other == NONE:
        return
    try:
        with st.spinner("compiling"):
            rows = compiled(catalog, f"{operation_name}/{other}", [row.unit.arch], row.dtype)
    except Problem as problem:
        st.warning(plain(problem))
        return
    built = {one.step.function: one for one in rows if one.fact and one.binary and one.step}
    if not built:
        reasons = dict.fromkeys(one.reason for one in rows if one.reason)
        why = "; ".join(reasons) or "it has none"
        nothing([f"{code(other)} has no kernel for {code(row.unit.arch)} to lay beside: {plain(why)}"])
        return
    with middle:
        kernel = choose(st.selectbox, "Its kernel", list(built), "beside_kernel")
    with right:
        what = choose(st.segmented_control, "Compare", ["source", "SASS"], "beside_by", 0, required=True)
    show_pair(row, built[str(kernel)], str(what))


def show_pair(a: BuildRow, b: BuildRow, what: str) -> None:
    """Source or machine code of two compiled kernels, and below it their instructions by class."""
    assert a.binary and b.binary and a.step and b.step and a.fact and b.fact
    code_a, code_b = lines_of(a.binary, a.step.function), lines_of(b.binary, b.step.function)
    if what == "source":
        rows = paired(source_code(a.step.source, code_a), source_code(b.step.source, code_b), written)
        names = [f"{one.step.source.name} · {one.variant}" for one in (a, b) if one.step]
        unit, note = "lines", "The second figure is the machine instructions of a line; yellow where they alone differ."
    else:
        rows = paired(machine_code(code_a), machine_code(code_b), operation)
        names = [f"{one.step.function} · {one.variant}" for one in (a, b) if one.step]
        unit, note = (
            "instructions",
            "Matched by what instructions do: a compiler names registers and addresses anew after every change.",
        )
    differing = sum(one.differs for one in rows)
    if not any(one.is_told for one in rows):
        nothing([f"Not a line of {code(what)} differs: the two differ in what they are launched or compiled with."])
    else:
        st.caption(f"{differing:,} of {len(rows):,} {plain(unit)} differ. {plain(note)}")
        st.html(pair_view(told(rows), *names))
    st.caption(f"Static instructions by class and resources, {plain(a.fact.arch)}")
    st.html(counts_view(a.fact, b.fact, a.variant, b.variant))
