"""Scaling: time against a size, with floors, exponents, crossings, and a map of the fastest."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.error_growth import errors
from dashboard.experiments import experiments
from dashboard.show import frame, has_records, nothing, picture
from dashboard.takeovers import takeovers
from dashboard.url import axis_of, choose
from workbench.quantity import quantity
from workbench.show import hints
from workbench.show.figures import columns_of
from workbench.show.markup import plain
from workbench.show.pictures import scaling as pictures
from workbench.show.pictures import time as time_pictures
from workbench.views.parts import OWN, chains, shares_along
from workbench.views.scaling import (
    crossings,
    curves,
    curves_along,
    exponents,
    fastest_map,
    longest,
    others_of,
    two_axes,
)
from workbench.views.shapes import axes_of


def page(context: Context) -> None:
    st.subheader("Scaling: how time grows")
    if not has_records(context):
        return
    records = context.records
    axes = curves_along(records)
    along, at = st.columns(2)
    with along:
        axis = axis_of("Along", axes, "along", longest(records, axes))
    if axis is None:
        nothing([context.no_curve()])
    else:
        with at:
            others = choose(st.selectbox, "At", others_of(records, axis), "at")
        found = curves(records, axis)
        found = found[found["others"] == others]
        growth(context, found, axis)
        shift(context, found, axis)
    fastest(context)
    errors(context)
    experiments(context)


def growth(context: Context, found: pd.DataFrame, axis: str) -> None:
    picture(
        pictures.growth(found, axis, context.style),
        "growth",
        "Points: median (measured) with its 95 % interval. Dotted: floor of what the variant declares (modelled).",
    )
    fitted, crossed = exponents(found), crossings(found)
    left, right = st.columns(2)
    with left:
        st.markdown("##### Fitted exponent")
        if len(fitted):
            frame(fitted, columns_of("exponents"), "exponents")
            st.caption("Time grows as size to this power (derived); the last: between the two largest sizes alone.")
        else:
            nothing(["A fit needs three sizes or more."])
    with right:
        st.markdown("##### Where two devices cross")
        for _, row in crossed.iterrows():
            st.markdown(
                f"- from {plain(axis)} ≈ {row['size']:,.0f} on, **{plain(row['faster_above'])}** is the faster "
                f"({plain(row['first'])} against {plain(row['second'])}, {quantity(row['seconds'], 's')}; derived)"
            )
        if crossed.empty:
            nothing([hints.no_crossing(found["device"].nunique(), axis)])


def shift(context: Context, found: pd.DataFrame, axis: str) -> None:
    """How the parts of a chain share its time as the size grows."""
    if context.operation not in chains(context.catalog):
        return
    shares = shares_along(context.any_operation, found, context.catalog)
    if shares.empty:
        nothing([hints.no_parts(list(context.catalog.operations))])
        return
    st.markdown(f"##### Where the time goes as {plain(axis)} grows")
    shares = shares.assign(chain=[f"{v} on {d}" for v, d in zip(shares["variant"], shares["device"], strict=True)])
    chain = choose(st.selectbox, "Chain", list(dict.fromkeys(shares["chain"])), "grows")
    shares = shares[shares["chain"] == chain]
    own = next(iter(shares.loc[shares["part"] == OWN, "part_variant"]), "")
    picture(
        time_pictures.parts_along(shares, axis),
        "shift",
        "Each part was timed alone in the same run (derived)."
        + (f" The chain's own steps: {plain(own)}." if own else ""),
    )


def fastest(context: Context) -> None:
    st.markdown("##### Fastest variant")
    records = context.records
    devices = list(dict.fromkeys(records.loc[records["time.median_s"].notna(), "device"]))
    device = choose(st.selectbox, "On", devices, "map_device") if len(devices) > 1 else next(iter(devices), None)
    timed = records[(records["device"] == device) & records["time.median_s"].notna()]
    first, second = two_axes(timed)
    axes = axes_of(timed)
    left, right = st.columns(2)
    with left:
        across = axis_of("Across", axes, "across", first)
    with right:
        down = axis_of("Down", [axis for axis in axes if axis != across], "down", second)
    timed = context.sampled[context.sampled["key"].isin(set(timed["key"]))]
    cells = fastest_map(timed, across, down) if across is not None else timed
    if cells.empty:
        nothing([hints.no_times(records, str(context.operation))])
        return
    picture(
        pictures.fastest(cells, str(across), down, str(context.operation), context.style),
        "fastest",
        f"On {plain(device)}. A tie: none is slower beyond doubt, as Compare judges (derived). Hover for who is in it.",
    )
    takeovers(context, cells, str(across), down, str(device))
