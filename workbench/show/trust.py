"""What speaks against the figures of some records and their runs: the sentences that command line, pages and reports
say before anything else. They hold names as they are: a page writes them by `markup.plain`."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from workbench.measure.ceilings import apart
from workbench.quantity import quantity
from workbench.store.record import Machine, Run

MOST_NAMED = 3
"""Ceilings that a sentence names."""


def doubts(records: pd.DataFrame, runs: Iterable[Run]) -> list[str]:
    """A sentence for each thing that is wrong with the machine that the records were timed on; none where nothing is.

    `records`: flat rows with derived figures.
    """
    return [*disturbed(records), *(text for run in runs for machine in run.machines for text in of_ceilings(machine))]


def disturbed(records: pd.DataFrame) -> list[str]:
    """That some times were taken while others used the machine."""
    if "disturbed" not in records or not len(records):
        return []
    timed = records[records["time.median_s"].notna()]
    touched = timed[timed["disturbed"].fillna(False).astype(bool)]
    if touched.empty:
        return []
    texts = [text for text in touched["disturbance.reasons"] if isinstance(text, str)]
    reasons = dict.fromkeys(reason for text in texts for reason in text.split("; "))
    figures = [", ".join(reasons)]
    others, load = touched["disturbance.others_cores"].max(), touched["disturbance.load_average"].max()
    if pd.notna(others) and others >= 0.1:
        figures.append(f"others used up to {quantity(others)} cores")
    if pd.notna(load):
        figures.append(f"load average up to {quantity(load)}")
    return [
        f"{len(touched)} of {len(timed)} times were taken on a disturbed machine ({'; '.join(filter(None, figures))}): "
        "they are no sound figures; sweep again when it is quiet"
    ]


def of_ceilings(machine: Machine) -> list[str]:
    """That ceilings were measured under load, or came out differently at the end of the run."""
    found = []
    on = f" of {machine.name}"
    under_load = [set(one.under_load) for one in machine.measurements]
    loaded = sorted(set.intersection(*under_load)) if under_load else []
    if loaded:
        reasons = dict.fromkeys(reason for one in machine.measurements for reason in one.reasons)
        found.append(
            f"{_names(loaded, len(machine.measurements[0].rates) // 2)}{on} could be measured under load only "
            f"({', '.join(reasons)}): shares of them are too high"
        )
    for first, second in zip(machine.measurements, machine.measurements[1:], strict=False):
        differing = apart(first.rates, second.rates)
        if differing:
            most = max(differing, key=lambda name: differing[name])
            found.append(
                f"{_names(sorted(differing), len(first.rates) // 2)}{on} came out differently at the {first.when} and "
                f"the {second.when} of the run (most of all {most}, by {quantity(differing[most], '%')}): the better "
                "of the two counts"
            )
    return found


def _names(names: list[str], every: int) -> str:
    """Names of ceilings, or their number where they are many."""
    if len(names) <= MOST_NAMED:
        return f"ceiling{'s' * (len(names) > 1)} {', '.join(names)}"
    return "all ceilings" if len(names) >= every else f"{len(names)} ceilings ({', '.join(names[:MOST_NAMED])}…)"
