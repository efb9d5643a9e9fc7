"""Occupancy: theoretical and achieved, what limits it, and what another launch would have."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import url
from dashboard.context import Context
from dashboard.show import frame, nothing, picture, state_of
from dashboard.simulated_architecture import of_architecture
from workbench.problem import Problem
from workbench.profile.import_report import UNNAMED
from workbench.quantity import quantity
from workbench.show import hints
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.show.pictures import occupancy as pictures
from workbench.views.best import best_settings
from workbench.views.occupancy import build_facts, built, by_kernel, known_archs, limits, what_if
from workbench.views.rows import dicts_of, number_of
from workbench.views.shapes import shape_text, shapes_of
from workbench.views.simulated import kernels

ANY = "a launch of no kernel"


def page(context: Context) -> None:
    st.subheader("Occupancy: what each kernel may hold, and what it held")
    shown: list[dict[str, Any]] = []
    if context.chosen:
        state_of(context)
        shown = recorded(context)
    else:
        nothing([hints.no_runs(context.profiles)])
    st.subheader("What if")
    try:
        sliders(shown)
    except Problem as problem:  # no C++ compiler, for one
        st.warning(plain(problem))


def recorded(context: Context) -> list[dict[str, Any]]:
    """Draws what the records say of each kernel, and returns it: a dictionary of build facts per kernel shown."""
    records = context.records
    if records.empty:
        nothing([hints.no_records(context.operation)])
        return []
    launched(records)
    records = built(records)
    if records.empty:
        nothing([hints.no_build(str(context.operation))])
        return []
    shape_column, arch_column = st.columns(2)
    if context.operation != UNNAMED:  # the kernels of an imported report each have a shape of their own
        # What was compiled alone has small shapes, which no other page should then look at.
        name = "shape" if records["time.median_s"].notna().any() else "built_shape"
        with shape_column:
            shape = url.choose(st.selectbox, "Shape", shapes_of(records), name, format_func=shape_text)
        records = records[records["shape"] == shape]
    chosen = best_settings(records)
    facts = by_kernel(build_facts(chosen), context.launches)
    with arch_column:
        arch = url.choose(st.selectbox, "Architecture", list(dict.fromkeys(facts["arch"])), "arch")
    rows = facts[(facts["arch"] == arch) & facts["occupancy_theoretical"].notna()].reset_index(drop=True)
    if len(rows):
        picture(
            pictures.by_kernel(rows),
            "occupancy-kernels",
            "Warps over the most that an SM holds: theoretical (modelled) as bars, achieved (measured) where profiled.",
        )
    frame(rows, columns_of("occupancy"), "occupancy-table")
    if rows["occupancy_achieved"].isna().all():
        nothing([hints.no_counters(context.chosen)])
    speeds = context.ladder(chosen)
    speeds = speeds[speeds["share_of_floor"].notna() & speeds["occupancy_theoretical"].notna()]
    if len(speeds):
        picture(
            pictures.against_speed(speeds, context.style),
            "occupancy-speed",
            "High occupancy is no aim in itself: a kernel that keeps enough bytes in flight is fast at a low one.",
        )
    return dicts_of(rows)


def launched(records: pd.DataFrame) -> None:
    """Launches whose machine code was executed on the host: how full they leave a GPU and its warps."""
    rows = kernels(records)
    if rows.empty:
        return
    st.markdown("##### Simulated launches: waves (modelled), lanes at work (simulated)")
    shapes = list(dict.fromkeys(rows["shape"]))
    rows = of_architecture(rows)
    shape = url.choose(st.selectbox, "Swept shape", shapes, "simulated_shape", format_func=shape_text)
    frame(rows[rows["shape"] == shape], columns_of("simulated_kernels"), "simulated-launches")


def sliders(shown: list[dict[str, Any]]) -> None:
    left, right = st.columns([1, 3])
    with left:
        begin = launch_of(shown)
        archs = known_archs()
        place = archs.index(str(begin["arch"]) if begin["arch"] in archs else "sm_90")
        arch = str(url.choose(st.selectbox, "Architecture", archs, "what_if_arch", place))
        most = limits(arch)
        block = url.number("Threads per block", "what_if_block", 32, most["block_threads"], int(begin["block"]), 32)
        registers = url.number(
            "Registers per thread", "what_if_registers", 16, most["registers"], int(begin["registers"])
        )
        shared = url.number(
            "Shared memory per block, bytes", "what_if_shared", 0, most["shared_bytes"], int(begin["shared"]), 16
        )
        answer, curves = what_if(arch, block, registers, shared)
        st.metric(
            "Occupancy (modelled)",
            quantity(answer["occupancy"], "%"),
            help="by NVIDIA's occupancy calculator",
        )
        st.markdown(
            f"{answer['warps']:,} of {answer['most_warps']:,} warps in {answer['blocks']:,} blocks per SM, "
            + ("nothing limits it" if answer["occupancy"] == 1 else f"limited by **{plain(answer['limiter'])}**")
        )
    with right:
        here = {"block_threads": block, "registers": registers, "shared_bytes": shared}
        picture(pictures.what_if(curves, here, answer["occupancy"]), "occupancy-what-if")


def launch_of(shown: list[dict[str, Any]]) -> dict[str, str | int]:
    """The launch that the sliders begin with: that of a kernel which stands above, the first one at first. Where
    another one is chosen they go to its values."""
    known = {f"{row['variant']}: {row['kernel']}": row for row in shown if number_of(row["registers"]) is not None}
    name = str(url.choose(st.selectbox, "Begin with", [*known, ANY], "what_if_kernel", 0))
    found: dict[str, str | int] = {"arch": "sm_90", "block": 128, "registers": 32, "shared": 0}
    if (row := known.get(name)) is not None:
        own = {"block": "block_threads", "registers": "registers", "shared": "shared_bytes"}
        told = {part: number_of(row[column]) for part, column in own.items()}
        found |= {"arch": str(row["arch"])} | {part: int(value) for part, value in told.items() if value is not None}
    if st.session_state.get("what_if_begun", name) != name:
        url.set_values({f"what_if_{part}": str(value) for part, value in found.items()})
    st.session_state["what_if_begun"] = name
    return found
