"""Kernel: source beside SASS, resources, and the instruction mix over architectures."""

from __future__ import annotations

import streamlit as st

from dashboard.code_beside import beside, bring_into_view
from dashboard.context import Context
from dashboard.measured_code import measured_code_of
from dashboard.show import frame, nothing, picture
from dashboard.simulated_code import simulated_code_of
from dashboard.url import choose, choose_several
from workbench.catalog import Catalog
from workbench.compile import supported_archs
from workbench.compile.catalogue import BuildRow
from workbench.problem import Problem
from workbench.profile.kernel_names import told_apart
from workbench.show.code_view import code_view
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.show.pictures import kernel as pictures
from workbench.views.code_pair import source_code
from workbench.views.machine_code import (
    calls,
    compiled,
    files,
    lines_of,
    listing,
    mix,
    resources,
    source_lines,
)
from workbench.views.measured_code import reports_of

HEIGHT = 620
ALL_LINES = "all lines"


def page(context: Context) -> None:
    st.subheader("Kernel: what was written, what the compiler made of it")
    of_report(context)
    catalog = context.catalog
    operations = list(catalog.operations)
    variant_column, dtype_column, arch_column = st.columns([4, 2, 4])
    if context.operation in operations:
        operation = str(context.operation)
    else:  # no run, or one of an imported report: nothing to take it from
        operation = str(choose(st.selectbox, "Operation of the kernel", operations, "kernel_operation"))
    with variant_column:
        ideas = {v.name: v.idea for v in catalog.variants[operation]}
        cuda = [v.name for v in catalog.variants[operation] if "cuda" in v.devices and v.settings]
        default = list(ideas).index(cuda[0]) if cuda else 0
        name = str(choose(st.selectbox, "Variant", list(ideas), f"kernel_{operation}", default))
    with dtype_column:
        dtypes = list(catalog.operations[operation].dtypes)
        default = dtypes.index(context.dtype) if context.dtype in dtypes else 0
        dtype = str(choose(st.selectbox, "In and out", dtypes, "kernel_dtype", default))
    with arch_column:
        archs = choose_several("Architectures", supported_archs(), "archs", ["sm_90", "sm_89"]) or ("sm_90",)
    st.markdown(f"**{plain(operation)}/{plain(name)}**: {plain(ideas[name])}")
    simulated_code_of(context, operation, name, dtype)
    try:
        with st.spinner("compiling"):
            rows = compiled(catalog, f"{operation}/{name}", archs, dtype)
        show(catalog, operation, name, rows)
    except Problem as problem:
        st.warning(plain(problem))
    library = calls(catalog, f"{operation}/{name}", dtype)
    if library:
        st.markdown("##### Library calls")
    for function, source in library:
        st.code(source or function, language="python", line_numbers=True)


def of_report(context: Context) -> None:
    """The machine code that the chosen runs' reports carry, with what was counted of it."""
    kernels = {launch.demangled: run for (run, _), own in context.launches.items() for launch in own}
    runs = {run.name: run for run in context.chosen if reports_of(run)}
    names = [name for name, run in kernels.items() if run in runs]
    if not names:
        return
    short = told_apart(names)
    name = choose(st.selectbox, "Kernel of the report", names, "profiled_kernel", format_func=lambda one: short[one])
    measured_code_of(runs[kernels[str(name)]], str(name))
    st.divider()


def show(catalog: Catalog, operation: str, name: str, rows: list[BuildRow]) -> None:
    for row in rows:
        if row.status not in ("ok", "no_kernel"):
            arch = row.unit.arch if row.unit else ""
            st.warning(plain(f"{row.variant}, {row.dtype}, {arch}: {row.status}. {row.reason}"))
    built = [row for row in rows if row.fact is not None and row.binary is not None and row.step is not None]
    if not built:
        for source in files(rows):
            st.markdown(f"##### {plain(source.name)}")
            st.code(source.read_text(), language="cpp", line_numbers=True, height=HEIGHT)
        if any(row.status == "ok" for row in rows):
            nothing(["This one runs on the CPU: there is no SASS of it."])
        return
    frame(resources(rows), columns_of("kernel"), "kernel-resources")
    kernel = choose(st.selectbox, "Kernel", [f"{r.step.function} {r.unit.arch}" for r in built], "kernel")  # type: ignore[union-attr]
    row = next(r for r in built if f"{r.step.function} {r.unit.arch}" == kernel)  # type: ignore[union-attr]
    code = lines_of(row.binary, row.step.function)  # type: ignore[union-attr]
    source = row.step.source  # type: ignore[union-attr]
    counts = source_lines(code, source)
    only = choose(
        st.selectbox, "Machine code of", [ALL_LINES, *map(str, counts)], "line",
        format_func=lambda line: line if line == ALL_LINES else f"line {line}: {counts[int(line)]} instructions",
    )  # fmt: skip
    number = None if only == ALL_LINES else int(str(only))
    left, right = st.columns(2)
    with left:
        st.caption(f"{plain(source.name)}, instructions per line")
        st.html(code_view(source_code(source, code), number))
        bring_into_view(number)
    with right:
        st.caption(f"SASS of {plain(kernel)}")
        st.code(listing(code, number, source), language="asm", height=HEIGHT)
    beside(catalog, operation, name, row)
    st.markdown("##### Instruction mix")
    function = row.step.function  # type: ignore[union-attr]
    found = mix(rows)
    picture(pictures.mix(found[found["kernel"] == function]), "mix")
