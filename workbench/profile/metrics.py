"""The figures of a profile: metrics.json as objects, and their values for launches.

Each figure names its metrics with the alternatives that other versions of ncu use. A figure whose metrics a
report lacks is absent from the result and named by `missing_figures`: missing is never zero.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.store.launch import Launch

FILE = Path(__file__).with_name("metrics.json")
DEVICE_METRICS = frozenset(
    "device__attribute_" + name
    for name in (
        "display_name", "compute_capability_major", "compute_capability_minor", "multiprocessor_count", "l2_cache_size"
    )
)  # fmt: skip
OLD = re.compile(r"gpu__time_duration|dram__(?:read|write)_bytes(?:\.sum)?|dram__bytes|sm__warps_active_avg|SOL \w.*")
"""Names that ncu gave its metrics from 2018 to 2020."""
Combine = Literal["sum", "time_mean", "max", "min"]


@dataclass(frozen=True)
class CounterFigure:
    """One figure of a launch, and what it means."""

    name: str
    title: str
    group: str
    unit: str
    """As quantity.py writes it: SI base units, `%` for a share of 1, or a word."""
    combine: Combine
    """How several launches of one record make one figure; `time_mean` weighs by duration."""
    meaning: str
    good: str
    metrics: tuple[tuple[str, float], ...] = ()
    """Alternatives, the first one present counts, each with the factor that brings it to `unit`."""
    terms: tuple[tuple[str, float], ...] = ()
    """Instead of `metrics`: a weighted sum of metrics, all of which must be there…"""
    times: str | None = None
    """…times this metric…"""
    over: str | None = None
    """…or over this one."""

    def of(self, launch: Launch) -> float | None:
        """The figure of one launch, or None where its metrics are missing."""
        for metric, factor in self.metrics:
            value = launch.number(metric)
            if value is not None:
                return value * factor
        if not self.terms:
            return None
        parts = [(launch.number(metric), weight) for metric, weight in self.terms]
        times = launch.number(self.times) if self.times else 1.0
        over = launch.number(self.over) if self.over else 1.0
        if times is None or not over or any(value is None for value, _ in parts):
            return None
        return sum(value * weight for value, weight in parts if value is not None) * times / over

    def names(self) -> list[str]:
        """The metrics that it is made of, as a report names them."""
        return [name for name, _ in (*self.metrics, *self.terms)] + [name for name in (self.times, self.over) if name]


@functools.cache
def figures() -> dict[str, CounterFigure]:
    """Every figure by name, in the order of the file (grouped)."""
    return {entry["name"]: _figure(entry) for entry in json.loads(FILE.read_text())["figures"]}


@functools.cache
def needed_metrics() -> frozenset[str]:
    """Every metric that a figure, or what is derived from figures, is made of."""
    return frozenset(name for figure in figures().values() for name in figure.names()) | DEVICE_METRICS


def _figure(entry: dict[str, Any]) -> CounterFigure:
    scale = entry.pop("scale", 1.0)
    metrics = tuple((m, scale) if isinstance(m, str) else (m[0], m[1] * scale) for m in entry.pop("metrics"))
    terms = tuple((metric, weight * scale) for metric, weight in entry.pop("terms", ()))
    return CounterFigure(metrics=metrics, terms=terms, **entry)


def figures_of(launch: Launch) -> dict[str, float]:
    """The figures of one launch; those it lacks are absent."""
    values = ((name, figure.of(launch)) for name, figure in figures().items())
    return {name: value for name, value in values if value is not None}


def combined(launches: Sequence[Launch]) -> dict[str, float]:
    """The figures of all launches of one record together. A figure that any of them lacks is absent: a sum
    over some of the launches would pass for the whole."""
    each = [figures_of(launch) for launch in launches]
    weights = [one.get("duration_s") for one in each]
    together = {}
    for name, figure in figures().items():
        values = [one[name] for one in each if name in one]
        if values and len(values) == len(each):
            together[name] = _combine(figure.combine, values, weights)
    return together


def _combine(how: Combine, values: Sequence[float], weights: Iterable[float | None]) -> float:
    if how == "sum":
        return sum(values)
    if how == "max":
        return max(values)
    if how == "min":
        return min(values)
    known = [weight for weight in weights if weight is not None]
    if len(known) < len(values) or sum(known) == 0:
        return sum(values) / len(values)
    return sum(value * weight for value, weight in zip(values, known, strict=True)) / sum(known)


def missing_figures(launches: Sequence[Launch]) -> dict[str, list[str]]:
    """Figures that these launches do not give, with the metrics that would."""
    present = set(combined(launches))
    present |= {name for name, parts in FOLLOWS_FROM.items() if any(present.issuperset(part) for part in parts)}
    return {name: figure.names() for name, figure in figures().items() if name not in present}


FOLLOWS_FROM = {
    "dram_bytes": (("dram_read_bytes", "dram_write_bytes"), ("dram_bytes_per_s", "duration_s")),
    "dram_bytes_per_s": (("dram_read_bytes", "dram_write_bytes", "duration_s"), ("dram_bytes", "duration_s")),
}
"""Figures that are there in another form: which others each follows from."""


def absent_figures(launches: Sequence[Launch]) -> tuple[list[str], list[str]]:
    """Figures that no launch has: groups of which all are absent, and the titles of the others."""
    present = {name for launch in launches for name in figures_of(launch)}
    whole: list[str] = []
    single: list[str] = []
    for group, members in groups().items():
        absent = [figure.title for figure in members if figure.name not in present]
        if len(absent) == len(members) > 1:
            whole.append(group)
        else:
            single += absent
    return whole, single


def old_names(launches: Iterable[Launch]) -> list[str]:
    """Metrics that these launches have under names of 2018 to 2020."""
    return sorted({name for launch in launches for name in launch.metrics if OLD.fullmatch(name)})


def groups() -> Mapping[str, list[CounterFigure]]:
    """Figures by group, in the order of the file."""
    by_group: dict[str, list[CounterFigure]] = {}
    for figure in figures().values():
        by_group.setdefault(figure.group, []).append(figure)
    return by_group
