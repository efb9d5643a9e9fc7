"""Figures of runs beside those that somebody published of the same experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.catalog import Catalog
from workbench.declare import variant_key
from workbench.experiments import Crossing, Experiment, Point, Ratio, Series, load_experiments
from workbench.problem import Problem
from workbench.store.record import UNTIMED, Status
from workbench.views.filter import Filter
from workbench.views.query import read_records
from workbench.views.rows import dicts_of
from workbench.views.runs import RunSummary
from workbench.views.shapes import shape_text, sizes_of
from workbench.views.simulated import simulated

UNITS = {"time": "s", "error": "", "kept": "B"}
COLUMNS = {"time": "time.median_s", "error": "error.relative_l2", "kept": "declared.kept_bytes"}
"""Of records, by quantity."""


@dataclass(frozen=True)
class Row:
    """One figure of an experiment at one shape; what is missing is None or empty."""

    figure: str
    """Name of the series or ratio."""
    sizes: Mapping[str, int]
    unit: str
    """`s`, `B`, `x` of a ratio, empty of an error."""
    published: float | None
    note: str
    """Where the published figure comes from, where not from the experiment's own source."""
    ours: float | None
    variant: str = ""
    """The fastest of the series; of a ratio both."""
    device: str = ""
    date: str = ""
    run: str = ""

    @property
    def over_published(self) -> float | None:
        """Ours over the published one, of a ratio: a time of another device compares with nothing."""
        if self.unit != "x" or self.ours is None or not self.published:
            return None
        return self.ours / self.published


@dataclass(frozen=True)
class Cross:
    """Where `first` and `second` take the same time along an axis, and who is faster beyond; size None where they do
    not cross between `low` and `high`, the sizes at which both were timed."""

    axis: str
    first: str
    second: str
    published: str
    size: float | None = None
    faster: str = ""
    low: int | None = None
    high: int | None = None
    run: str = ""


@dataclass(frozen=True)
class Counted:
    """A kernel executed on the host because there is no GPU: right or wrong, with simulated counters, and no time."""

    figure: str
    variant: str
    status: str
    shape: str
    instructions: float | None
    """Warp instructions, simulated; None where nothing was counted."""
    launches: float | None
    run: str


@dataclass(frozen=True)
class Compared:
    rows: tuple[Row, ...]
    crossings: tuple[Cross, ...]
    counted: tuple[Counted, ...]
    """Kernels that were executed by the simulator and not timed."""

    @property
    def has_ours(self) -> bool:
        return any(row.ours is not None for row in self.rows)


def held_by(catalog: Catalog, runs: Sequence[RunSummary]) -> tuple[list[tuple[Experiment, Compared]], list[Problem]]:
    """The experiments that the runs have figures of, each compared; and what is wrong with files of others."""
    known, broken = load_experiments(next(iter(catalog.roots), None))
    found = [(one, compare_experiment(one, runs)) for one in known]
    return [(one, own) for one, own in found if own.has_ours], broken


def compare_experiment(experiment: Experiment, runs: Sequence[RunSummary]) -> Compared:
    """Every figure of the experiment that is published or that the runs hold."""
    records = read_records(runs, Filter()).frame
    dates = {run.name: run.created[:10] for run in runs}
    return compared(experiment, records, dates)


def compared(experiment: Experiment, records: pd.DataFrame, dates: Mapping[str, str]) -> Compared:
    """The same of a frame of records; `dates` by run."""
    keyed = _keyed(records)
    found = {series.name: _rows_of(series, keyed, dates) for series in experiment.series}
    ratios = [row for ratio in experiment.ratios for row in _ratios(ratio, experiment, found)]
    crossings = [cross for crossing in experiment.crossings for cross in _crossings(crossing, found)]
    counted = [one for series in experiment.series for one in _counted(series, keyed)]
    rows = [row for own in found.values() for row in own]
    return Compared((*rows, *ratios), tuple(crossings), tuple(counted))


def _keyed(records: pd.DataFrame) -> pd.DataFrame:
    parts = zip(records["operation"], records["variant"], records["pass"], strict=True)
    return records.assign(variant_key=[variant_key(*part) for part in parts], sizes=records["shape"].map(sizes_of))


def _of(series: Series, keyed: pd.DataFrame) -> pd.DataFrame:
    own = keyed[keyed["variant_key"].isin(series.variants)]
    return own[pd.Series([_fits(series.at, sizes) for sizes in own["sizes"]], own.index, dtype=bool)]


def _fits(at: Mapping[str, int], sizes: Mapping[str, int]) -> bool:
    return all(sizes.get(axis) == size for axis, size in at.items())


def _rows_of(series: Series, keyed: pd.DataFrame, dates: Mapping[str, str]) -> list[Row]:
    column = COLUMNS[series.quantity]
    own = _of(series, keyed)
    if series.quantity == "kept":  # declared of every variant, of those too that gave no right answer
        own = own[own["status"] == Status.OK.value]
    own = own[own[column].notna() & (own["backend"].isin([series.backend]) if series.backend else True)]
    best: dict[tuple[str, str, tuple[tuple[str, int], ...]], dict[str, object]] = {}
    ordered = own.sort_values(column, ascending=series.quantity == "time")
    for row in dicts_of(ordered, "run", "device", "sizes", "backend", "variant", column):
        best.setdefault((row["run"], row["device"], tuple(row["sizes"].items())), row)
    rows, used = [], set()
    for (run, device, sizes), row in sorted(best.items(), key=lambda one: [size for _, size in one[0][2]]):
        point = _point(series.points, dict(sizes))
        used.add(id(point))
        value, note = (None, "") if point is None else (point.value, point.note)
        where = "simulator" if row["backend"] in UNTIMED else device
        ours, variant = float(str(row[column])), str(row["variant"])
        what = (series.name, dict(sizes), UNITS[series.quantity])
        rows.append(Row(*what, value, note, ours, variant, where, dates.get(run, ""), run))
    missing = [point for point in series.points if id(point) not in used]
    return rows + [Row(series.name, p.at, UNITS[series.quantity], p.value, p.note, None) for p in missing]


def _point(points: Sequence[Point], sizes: Mapping[str, int]) -> Point | None:
    return next((point for point in points if _fits(point.at, sizes)), None)


def _agree(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return all(other[axis] == size for axis, size in one.items() if axis in other)


def _ratios(ratio: Ratio, experiment: Experiment, found: Mapping[str, list[Row]]) -> list[Row]:
    """Of figures of one run, and times of one device but where each series names its own."""
    both = [series for series in experiment.series if series.name in (ratio.over, ratio.under)]
    backends = {series.backend for series in both}
    across = (len(backends) == 2 and "" not in backends) or both[0].quantity == "error"
    points = ratio.points or _quotients(
        *({s.name: s for s in experiment.series}[n].points for n in (ratio.over, ratio.under))
    )
    rows, used = [], set()
    for over in found[ratio.over]:
        for under in found[ratio.under]:
            if not over.ours or not under.ours or not _agree(over.sizes, under.sizes) or over.run != under.run:
                continue
            if not across and over.device != under.device:
                continue
            point = _point(points, over.sizes)
            used.add(id(point))
            published, note = (point.value, point.note) if point is not None else (None, "")
            device, names = (
                " ÷ ".join(dict.fromkeys(pair)) for pair in ((over.device, under.device), (over.variant, under.variant))
            )
            ours = over.ours / under.ours
            rows.append(Row(ratio.name, over.sizes, "x", published, note, ours, names, device, over.date, over.run))
    missing = [point for point in points if id(point) not in used]
    return rows + [Row(ratio.name, point.at, "x", point.value, point.note, None) for point in missing]


def _quotients(over: Sequence[Point], under: Sequence[Point]) -> tuple[Point, ...]:
    """Of each pair of figures published for the same sizes."""
    return tuple(
        Point(at=one.at, value=one.value / other.value, note=one.note or other.note)
        for one in over
        for other in under
        if _agree(one.at, other.at)
    )


def _crossings(crossing: Crossing, found: Mapping[str, list[Row]]) -> list[Cross]:
    """One for each run that timed either."""
    axis = crossing.axis
    own = [found[crossing.first], found[crossing.second]]
    runs = dict.fromkeys(row.run for rows in own for row in rows if row.ours is not None)
    crosses = []
    for run in runs:
        each = [{r.sizes[axis]: r.ours for r in rows if r.run == run and r.ours and axis in r.sizes} for rows in own]
        sizes = sorted(set(each[0]) & set(each[1]))
        plain = Cross(axis, crossing.first, crossing.second, crossing.published, run=run)
        if not sizes:
            crosses.append(plain)
            continue
        logs = [math.log(each[0][size] / each[1][size]) for size in sizes]
        faster = crossing.first if logs[-1] < 0 else crossing.second
        at = None
        for place in range(len(sizes) - 1):
            if (logs[place] < 0) != (logs[place + 1] < 0):
                share = logs[place] / (logs[place] - logs[place + 1])
                at = sizes[place] * (sizes[place + 1] / sizes[place]) ** share
        crosses.append(
            Cross(axis, crossing.first, crossing.second, crossing.published, at, faster, sizes[0], sizes[-1], run)
        )
    return crosses


def _counted(series: Series, keyed: pd.DataFrame) -> list[Counted]:
    """Where kernels are only simulated, at whatever shapes: those of the series need not be among them."""
    own = keyed[keyed["variant_key"].isin(series.variants) & keyed["backend"].isin(UNTIMED)]
    if series.quantity != "time" or own.empty:
        return []
    counted = dicts_of(simulated(own.drop(columns=["variant_key", "sizes"]), {}))
    known = {row["key"] for row in counted}
    rows = [
        Counted(series.name, row["variant"], str(row["status"]), _counted_at(row),
                _number(row["simulated.instructions"]), _number(row["simulated.launches"]), str(row["run"]))
        for row in counted
    ]  # fmt: skip
    rows += [
        Counted(series.name, row["variant"], str(row["status"]), shape_text(row["shape"]), None, None, str(row["run"]))
        for row in dicts_of(own)
        if row["key"] not in known
    ]
    return rows


def _counted_at(row: Mapping[str, Any]) -> str:
    """The shape that was swept, and how much of it was counted where that is not all."""
    at = row["simulated.at"]
    return shape_text(row["shape"]) + (f" (counted: {at})" if isinstance(at, str) and at else "")


def _number(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
