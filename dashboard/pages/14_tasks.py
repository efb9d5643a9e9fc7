"""Tasks: what was learned on real data, in how much time, and where that time went."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.show import nothing, picture
from dashboard.url import choose
from workbench.problem import Problem
from workbench.quantity import quantity
from workbench.show.markup import code, plain
from workbench.show.pictures import trainings as pictures
from workbench.tasks.recorded import Recorded, curves, folders, recorded, shares, source_text, table, where

SECONDS, SHARE = "%.3g", st.column_config.NumberColumn(format="percent")


def page(context: Context) -> None:
    st.subheader("Tasks on real data")
    found = {folder.name: folder for folder in folders(context.profiles)}
    left, right = st.columns(2)
    with left:
        name = choose(st.selectbox, "Folder of trainings", list(found), "tasks")
    if name is None:
        nothing([
            f"No training of a task lies in the profiles folder. `python -m examples.tasks.mails --quick --fetch --out "
            f"{plain(context.profiles)}/tasks` makes some: see docs/tasks.md."
        ])  # fmt: skip
        return
    try:
        runs = recorded(found[str(name)])
    except Problem as problem:
        st.error(plain(problem))
        return
    if not runs:
        nothing([f"No training in {code(found[str(name)])} has ended an epoch yet."])
        return
    with right:
        task = choose(st.selectbox, "Task", list(dict.fromkeys(run.task for run in runs)), "task", required=True)
    chosen = [run for run in runs if run.task == task]
    rows = table(chosen)
    _say(chosen, rows)
    first = rows.iloc[0]
    of = (str(name), str(task), str(chosen[0].header["device"]))
    picture(
        pictures.quality(curves(chosen), list(rows["subject"]), first["metric"], first["unit"], first["wanted"]),
        "quality", "The median over seeds, with the range of few seeds and the 95 % interval of more.", of,
    )  # fmt: skip
    _table(rows)
    st.markdown("##### Where a step's time goes")
    picture(pictures.step_time(shares(chosen)), "step_time", "Of all steps but those of the first epoch.", of)
    _gain(rows)


def _say(runs: list[Recorded], rows: pd.DataFrame) -> None:
    first, header = rows.iloc[0], runs[0].header
    unfinished = sum(run.end is None for run in runs)
    st.markdown(plain(
        f"{first['metric']}: {quantity(first['trivial'], first['unit'])} is trivial ({first['meaning']}), "
        f"{quantity(first['wanted'], first['unit'])} is wanted of every seed."
        + (f" {unfinished} of {len(runs)} trainings have not ended." if unfinished else "")
    ))  # fmt: skip
    places = where(runs)
    for text, own in places.items():
        cells = f" ({', '.join(dict.fromkeys(run.subject for run in own))})" if len(places) > 1 else ""
        st.markdown(plain(f"{text}{cells}."))
    st.caption(plain("; ".join(source_text(source) for source in header["data"])))


def _table(rows: pd.DataFrame) -> None:
    unit = str(rows.iloc[0]["unit"])
    shown = pd.DataFrame({
        "subject": rows["subject"],
        "quality": [quantity(value, unit) for value in rows["quality"]],
        "range": [f"{quantity(a, unit)} – {quantity(b, unit)}" for a, b in zip(rows["low"], rows["high"], strict=True)],
        "learned": rows["learned"], "seeds": rows["seeds"],
        "studied": rows["studied_s"], "epoch": rows["epoch_s"], "layer": rows["one_more_layer_s"],
        "parameters": rows["parameters"],
        **{name.removeprefix("more."): rows[name] for name in rows.columns if name.startswith("more.")},
    })  # fmt: skip
    studied = rows.iloc[0]["studied"]
    columns = {
        "quality": st.column_config.TextColumn(rows.iloc[0]["metric"]),
        "range": st.column_config.TextColumn("of the seeds"),
        "learned": st.column_config.CheckboxColumn("learned", help="every seed reaches what is wanted"),
        "studied": st.column_config.NumberColumn(f"{studied} (s per epoch)", format=SECONDS),
        "epoch": st.column_config.NumberColumn("whole (s per epoch)", format=SECONDS),
        "layer": st.column_config.NumberColumn("one more layer (s per epoch)", format=SECONDS),
        "parameters": st.column_config.NumberColumn(format="localized"),
    }
    st.dataframe(shown, column_config=columns, hide_index=True, key="trainings", placeholder="–")


def _gain(rows: pd.DataFrame) -> None:
    shown = rows[["subject", "studied_share", "most_gain", "own_share", "own_gain"]]
    columns = {
        "studied_share": st.column_config.NumberColumn(f"in {rows.iloc[0]['studied']}", format="percent"),
        "most_gain": st.column_config.NumberColumn("a step's gain at most", format="%.2fx"),
        "own_share": st.column_config.NumberColumn("in their own kernels", format="percent"),
        "own_gain": st.column_config.NumberColumn("gain at most by those", format="%.2fx"),
    }
    st.dataframe(shown, column_config=columns, hide_index=True, key="gains", placeholder="–")
    st.caption(
        "What a step would gain if that took no time at all (Amdahl): 1 / (1 - its share). Kernels of one's own are "
        "operators that are not torch's; of layers that have none, nothing stands there."
    )
