"""Measured runs → the entries of a dispatch table."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from workbench.dispatch.table import Entry
from workbench.views.best import best_settings
from workbench.views.filter import Filter
from workbench.views.query import read_records
from workbench.views.rows import dicts_of
from workbench.views.runs import RunSummary
from workbench.views.verdicts import verdict_on

PROBLEM = ["operation", "pass", "backend", "device", "shape"]
DEVICES = ("cpu", "cuda")


def entries(runs: Sequence[RunSummary], operations: tuple[str, ...] = ()) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """An entry for every problem that `runs` timed, from the newest run that timed it, and what could not be read.

    Other people's kernels are left out: what a layer runs must be there wherever the project is.
    """
    newest_first = {run.name: place for place, run in enumerate(runs)}
    read = read_records(runs, Filter(operations=operations), samples=True, machine_code=False)
    records = read.frame
    timed = records[records["time.median_s"].notna() & (records["status"] == "ok") & records["backend"].isin(DEVICES)]
    own = timed[~timed["factors"].map(_is_peer)]
    if own.empty:
        return (), read.problems
    best = best_settings(own)
    best = best.assign(_age=best["run"].map(newest_first), shape=best["shape"].map(_without_regime))
    found = []
    for _, group in best.groupby(PROBLEM, sort=True):
        newest = group[group["_age"] == group["_age"].min()].sort_values("time.median_s", kind="stable")
        found.append(_entry(newest))
    return tuple(found), read.problems


def _entry(ladder: pd.DataFrame) -> Entry:
    """The first of a problem's variants, the fastest first."""
    rows = dicts_of(ladder)
    first = rows[0]
    sizes = json.loads(first["shape"])
    dtype = str(sizes.pop("dtype"))
    return Entry(
        operation=first["operation"],
        pass_=first["pass"],
        device=first["backend"],
        machine=first["device"],
        dtype=dtype,
        sizes=sizes,
        variant=first["variant"],
        settings=json.loads(first["settings"]),
        median_s=first["time.median_s"],
        low_s=first["time.low_s"],
        high_s=first["time.high_s"],
        run=first["run"],
        tie=tuple(row["variant"] for row in rows[1:] if verdict_on(row, first)[0].word != "slower"),
    )


def _is_peer(factors: str) -> bool:
    return isinstance(factors, str) and bool(json.loads(factors).get("peer") == "yes")


def _without_regime(shape: str) -> str:
    """Times are of the first regime alone, which is no axis of a layer's."""
    sizes = json.loads(shape)
    sizes.pop("regime", None)
    return json.dumps(sizes)
