"""What a profiler saw, as pieces of a page to send: kernels by time, NVIDIA's rules, the workbench's diagnosis."""

from __future__ import annotations

import pandas as pd

from workbench.show.figures import columns_of
from workbench.show.markup import element
from workbench.show.pictures import report as pictures
from workbench.show.pictures import time as time_pictures
from workbench.show.report_html import Piece, note
from workbench.show.table_html import as_html
from workbench.views.counters import launches_of, rule_rows, stalls
from workbench.views.report_kernels import counters_of, diagnoses, ranked_rules, report_kernels, story
from workbench.views.runs import RunSummary

UNDER = (
    "Durations are under the profiler, which flushes caches and replays each launch: good for comparing kernels of "
    "this report with each other, and for nothing else."
)
KERNELS_WITH_COUNTERS = 8
"""Kernels whose counters are written out, those with most time: a file to send stays small."""


def pieces(run: RunSummary, records: pd.DataFrame) -> list[Piece]:
    """Pieces for the launches of these records. Nothing in them names a folder or a machine of whoever made them."""
    launches = launches_of([run], records)
    kernels = report_kernels(records, launches)
    if kernels.empty:
        return [note("The run holds counters of no kernel.")]
    found: list[Piece] = [element("p", story(kernels), class_="story"), note(UNDER)]
    if kernels["duration_s"].notna().any():
        found.append(pictures.by_time(kernels))
    found.append(as_html(kernels, columns_of("report")))
    if diagnosed := diagnoses(kernels, launches):
        found.append(element("h3", "The workbench's diagnosis"))
        found += [
            element("div", element("b", name), element("ul", *(element("li", text) for text in said)))
            for name, said in diagnosed
        ]
    rules = ranked_rules(kernels, rule_rows([run], records))
    if len(rules):
        found += [element("h3", "NVIDIA's rules, by what the report would gain"), as_html(rules, rule_columns())]
    waits = stalls(records, launches)
    if len(waits):
        title = "share of a warp's time between two instructions (measured)"
        found += [element("h3", "What warps waited for"), time_pictures.stacked(waits, "reason", title)]
    for row in kernels.head(KERNELS_WITH_COUNTERS).to_dict("records"):
        table = counters_of(launches[row["run"], row["key"]], row["signature"])
        found += [element("h3", f"Counters of {row['kernel']}"), as_html(table, list(table.columns))]
    return found


def rule_columns() -> list[str]:
    return columns_of("report_rules")
