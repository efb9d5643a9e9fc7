"""What every page starts from: the runs, the filter, the records that it admits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import streamlit as st

from dashboard.folders import KERNELS, PROFILES
from workbench.catalog import Catalog, load_catalog
from workbench.model.rungs import Rung, rungs
from workbench.show import hints
from workbench.show.pictures.style import Style, styles
from workbench.store.launch import Launch
from workbench.views.counters import launches_of, with_counters
from workbench.views.filter import Filter
from workbench.views.ladder import ladder
from workbench.views.query import read_records
from workbench.views.runs import RunSummary
from workbench.views.shapes import sizes_of


@dataclass
class Context:
    """One view: built anew on every run of the script from what is cached below."""

    profiles: Path
    catalog: Catalog
    known: dict[str, Rung]
    style: dict[str, Style]
    runs: tuple[RunSummary, ...]
    """All runs, the newest first."""
    chosen: tuple[RunSummary, ...]
    """Those that the filter names."""
    operation: str | None
    dtype: str | None
    filter: Filter

    @cached_property
    def result(self) -> tuple[pd.DataFrame, tuple[str, ...]]:
        if len(self.chosen) == 1:  # one reading serves the pages that want samples and those that do not
            found = read_records(self.chosen, self.filter, samples=True)
            return found.frame.drop(columns="samples_s"), found.problems
        found = read_records(self.chosen, self.filter)
        return found.frame, found.problems

    @property
    def records(self) -> pd.DataFrame:
        """What the whole filter admits."""
        return self.result[0]

    @cached_property
    def launches(self) -> dict[tuple[str, str], list[Launch]]:
        """The profiled launches of these records."""
        return launches_of(self.chosen, self.records)

    @cached_property
    def any_operation(self) -> pd.DataFrame:
        """The chosen runs' records of every operation: what chains are made of."""
        return read_records(self.chosen, Filter(dtypes=self.filter.dtypes)).frame

    def no_curve(self) -> str:
        """That no axis was measured at two sizes, and how to measure one: the longest of the operation's."""
        known = self.catalog.operations.get(str(self.operation))
        records = self.records
        sizes = dict(known.axes) if known is not None else sizes_of(records["shape"].iloc[0]) if len(records) else {}
        return hints.no_curve(str(self.operation), sizes)

    @cached_property
    def sampled(self) -> pd.DataFrame:
        """What the whole filter admits, with the samples."""
        return read_records(self.chosen, self.filter, samples=True).frame

    def ladder(self, records: pd.DataFrame) -> pd.DataFrame:
        """Ladder rows of records, with what the counters saw, and the samples read for the speed-ups' intervals."""
        keys = set(records["key"])
        rows = ladder(self.sampled[self.sampled["key"].isin(keys)], self.known)
        return with_counters(rows, self.launches)


def profiles_folder() -> Path:
    return Path(os.environ.get(PROFILES, "profiles"))


@st.cache_resource  # type: ignore[untyped-decorator]
def catalogue() -> Catalog:
    folder = os.environ.get(KERNELS)
    return load_catalog(Path(folder) if folder else None)


@st.cache_resource  # type: ignore[untyped-decorator]
def ladder_places() -> tuple[dict[str, Rung], dict[str, Style]]:
    known = rungs(catalogue())
    return known, styles(known)
