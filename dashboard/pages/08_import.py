"""Import: drop a report of Nsight Compute, see it at once."""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context
from dashboard.show import frame, nothing
from dashboard.url import choose, set_values
from workbench.problem import Problem
from workbench.profile.upload import figures_table, store_upload
from workbench.show.markup import code, plain

OWN_RUN = "a run of its own"


def page(context: Context) -> None:
    st.subheader("Import a report of Nsight Compute")
    st.caption("Needs no GPU and no ncu. Any report will do, also of programs that know nothing of this workbench.")
    runs = [OWN_RUN, *(run.name for run in context.runs if run.state == "finished")]
    into = choose(st.selectbox, "Import into", runs, "into")
    # No list of extensions: the browser's side drops those with a hyphen, and the importer looks at the content anyway.
    upload = st.file_uploader("`.ncu-rep`, or the output of `ncu --csv --page raw`")
    if upload is None:
        nothing([
            "Drop a file above. `workbench profile RUN` makes one on a machine with an NVIDIA GPU, and so does "
            "`profiles/ncu_profile.sh` on a cluster node."
        ])  # fmt: skip
        return
    marker = (upload.file_id, into)
    if st.session_state.get("imported", {}).get("marker") != marker:
        try:
            with st.spinner("reading"):
                found = store_upload(
                    upload.name, upload.getvalue(), context.profiles, None if into == OWN_RUN else str(into)
                )
        except Problem as problem:
            st.session_state["imported"] = {"marker": marker, "problem": str(problem)}
        else:
            st.session_state["imported"] = {"marker": marker, "found": found}
    outcome = st.session_state["imported"]
    if "problem" in outcome:
        st.error(f"{plain(outcome['problem'])}. Nothing was stored; drop another file above to try again.")
        return
    found = outcome["found"]
    if found.already:
        st.info("This file is there already.")
    st.success(
        f"{found.count:,} launches of {len(found.records):,} records, {found.metrics:,} metrics, "
        f"in run {code(found.run)}."
    )
    if found.outside:
        st.warning(f"{found.outside:,} launches lie in no range of a record of the run and were left out.")
    with st.container(horizontal=True):
        pages = (("Report", "Open the report"), ("Time", "Where its time goes"), ("Occupancy", "Its occupancy"))
        for name, label in pages:
            st.button(label, on_click=set_values, args=({**found.link, "page": name},))
    rows, columns = figures_table(found)
    frame(rows, columns, "imported")
