"""Distributed: what ranks of a training did when, who was waited for, what passing costs, and more ranks planned."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard.context import Context
from dashboard.show import frame, nothing, picture
from dashboard.url import choose, set_values
from workbench.distributed.perfetto import together
from workbench.distributed.shown import Piece, pieces
from workbench.distributed.timeline import trainings
from workbench.distributed.trace import files_of
from workbench.distributed.upload import store_traces
from workbench.problem import Problem
from workbench.show.figures import columns_of
from workbench.show.markup import code, plain


def page(context: Context) -> None:
    st.subheader("Training on several ranks")
    _upload(context)
    found = {folder.name: folder for folder in trainings(context.profiles)}
    name = choose(st.selectbox, "Training", list(found), "training")
    if name is None:
        command = f"workbench train FILE.py:FUNCTION --out {context.profiles}/training --sequence 2 --trace 3"
        nothing([
            f"No training lies in the profiles folder. {code(command)} makes one; traces of torch.profiler of your "
            "own, one per rank, are shown from there too: drop them above."
        ])  # fmt: skip
        return
    folder = found[str(name)]
    try:
        for piece in pieces(folder):
            _show(piece, str(name))
        files = files_of(folder)
        if files:
            stamps = tuple((str(file), file.stat().st_mtime_ns) for file in files)
            _download(str(name), _together(folder, stamps), len(files))
        elif not list(folder.glob("ranks-*")):
            nothing([f"No rank was traced: train with `--trace 3`, or lay traces into {code(folder)}."])
    except Problem as problem:
        st.error(plain(problem))


def _show(piece: Piece, training: str) -> None:
    if piece.title:
        st.markdown(f"##### {plain(piece.title)}")
    if piece.picture is not None:
        picture(piece.picture, piece.key, plain(piece.text), (training,))
    elif piece.rows is not None:
        frame(piece.rows, columns_of(piece.table), piece.key)
        st.caption(plain(piece.text))
    else:
        st.markdown(plain(piece.text))


@st.cache_data(max_entries=4, show_spinner=False)  # type: ignore[untyped-decorator]
def _together(_folder: Path, stamps: tuple[tuple[str, int], ...]) -> bytes:
    return together(_folder)


def _download(name: str, trace: bytes, ranks: int) -> None:
    st.download_button(
        f"Trace of {ranks} ranks for Perfetto", trace, f"{name}.json.gz", "application/gzip", on_click="ignore"
    )
    st.caption("All ranks on one clock, as a Chrome trace: open it at ui.perfetto.dev or in chrome://tracing.")


def _upload(context: Context) -> None:
    with st.expander("Show traces of your own"):
        st.caption(
            "Chrome traces of torch.profiler, one per rank, over gloo or NCCL, of any program; `.json` or `.json.gz`."
        )
        name = st.text_input("Name", "traces", key="traces_name")
        given = st.file_uploader("Traces", accept_multiple_files=True, key="traces_files")
        marker = (name, *(file.file_id for file in given))
        if given and st.button("Store and show", key="traces_store") and st.session_state.get("stored") != marker:
            try:
                folder = store_traces([(file.name, file.getvalue()) for file in given], context.profiles, name)
            except Problem as problem:
                st.error(f"{plain(problem)}. Nothing was stored.")
            else:
                st.session_state["stored"] = marker
                set_values({"training": folder.name})
                st.success(f"Stored as {code(folder.name)}.")
