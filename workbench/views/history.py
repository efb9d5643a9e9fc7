"""How a variant's time came about: its times over runs with their commits, dates and hosts, and the steps between."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.statistics.intervals import NORMAL_95, NORMAL_99
from workbench.statistics.steps import PER_SPREAD, scatter, steps
from workbench.statistics.verdict import Word, word_of
from workbench.views.best import best_settings
from workbench.views.rows import dicts_of, number_of
from workbench.views.runs import RunSummary

SERIES = ("operation", "pass", "variant", "shape", "host", "device", "backend", "time.timer", "time.cache")
"""What the times of one series agree in: two hosts, two devices or two timers are never joined."""
ENOUGH = 6
"""So many runs say themselves by how much times of the same code differ from run to run."""


@dataclass(frozen=True)
class Step:
    """A change of level, between two runs that follow each other."""

    series: int
    """The number of its series in `points`."""
    before: dict[str, Any]
    """The last run of the level before, and the first of the level behind: rows of `points`."""
    after: dict[str, Any]
    ratio: float
    """Level behind over level before: over 1 where the variant became slower. 99 % interval."""
    low: float
    high: float
    word: Word
    runs: int
    """That the level behind holds for."""
    changed: tuple[str, ...]
    """What else is different from the run before: sources, settings, versions of packages and drivers."""


def points(records: pd.DataFrame, runs: Sequence[RunSummary]) -> pd.DataFrame:
    """Timed records, each variant's best setting in each run, the oldest first, with `series` (a number), `commit`,
    `host`, `created`, and `level`: the median over the runs between two steps.

    A record of a disturbed machine has a point and no level: it is no sound figure.
    """
    by_name = {run.name: run for run in runs}
    timed = best_settings(records[records["time.median_s"].notna() & records["run"].isin(list(by_name))])
    if timed.empty:
        return timed.assign(series=0, commit="", host="", created="", level=np.nan)
    hosts = {(run.name, machine.id): machine.host for run in runs for machine in run.machines}
    timed = timed.assign(
        commit=[by_name[name].commit for name in timed["run"]],
        created=[by_name[name].created for name in timed["run"]],
        host=[hosts.get(place, "") for place in zip(timed["run"], timed["machine"], strict=True)],
    )
    timed = timed.sort_values(["created", "run"], kind="stable")
    timed["series"] = timed.groupby(list(SERIES), sort=False, dropna=False).ngroup()
    timed["level"] = np.nan
    for _, own in _sound(timed):
        for first, end in _segments(own):
            part = own.iloc[first:end]
            level = math.exp(float(np.median(_logs(part, "time.median_s"))))
            timed["level"] = timed["level"].mask(timed.index.isin(part.index), level)
    return timed.sort_values(["series", "created"], kind="stable").reset_index(drop=True)


def steps_of(found: pd.DataFrame, runs: Sequence[RunSummary]) -> list[Step]:
    """The steps of every series of `points`, in the order of series and time."""
    by_name = {run.name: run for run in runs}
    result = []
    for number, own in _sound(found):
        parts = [own.iloc[first:end] for first, end in _segments(own)]
        for left, right in itertools.pairwise(parts):
            ratio = float(right["level"].iloc[0] / left["level"].iloc[0])
            low, high = _interval(own, ratio, len(left), len(right))
            (before,), (after,) = dicts_of(left.tail(1)), dicts_of(right.head(1))
            word = word_of(low, high, 0.0, 0.0)
            changed = _changed(before, after, by_name)
            result.append(Step(number, before, after, ratio, low, high, word, len(right), changed))
    return result


def as_plain(found: pd.DataFrame, steps_found: Sequence[Step]) -> list[dict[str, Any]]:
    """For JSON: a series each, with its points and steps."""
    result = []
    for number, own in found.groupby("series", sort=True):
        first = dicts_of(own.head(1))[0]
        result.append(
            {
                **{name: first[name] for name in SERIES if name != "shape"},
                "shape": json.loads(first["shape"]),
                "points": [
                    {
                        "run": row["run"], "created": row["created"], "commit": row["commit"] or None,
                        "median_s": row["time.median_s"], "low_s": row["time.low_s"], "high_s": row["time.high_s"],
                        "level_s": number_of(row["level"]), "disturbed": bool(row["disturbed"]),
                    }
                    for row in dicts_of(own)
                ],
                "steps": [
                    {
                        "after_run": one.before["run"], "run": one.after["run"], "commit": one.after["commit"] or None,
                        "ratio": one.ratio, "low": one.low, "high": one.high, "verdict": one.word, "runs": one.runs,
                        "changed": list(one.changed),
                    }
                    for one in steps_found
                    if one.series == number
                ],
            }
        )  # fmt: skip
    return result


def _sound(found: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    for number, own in found[~found["disturbed"].fillna(False).astype(bool)].groupby("series", sort=True):
        yield int(str(number)), own


def deviation_of(own: pd.DataFrame) -> float:
    """By how much a run's median is off its level, as a standard deviation of its logarithm: from the runs where there
    are enough (never less than within a run), else from what was recorded of a baseline against itself. NaN where
    neither says it."""
    if len(own) >= ENOUGH:
        widths = float(np.median(_logs(own, "time.high_s") - _logs(own, "time.low_s"))) / (2 * NORMAL_95)
        within = own["noise_floor"].astype(float).fillna(0.0).median() / PER_SPREAD
        return max(scatter(list(_logs(own, "time.median_s"))), widths, float(within))
    spreads = own[["noise_floor", "between_runs"]].astype(float).max(axis=1)
    return float(spreads.max()) / PER_SPREAD


def _segments(own: pd.DataFrame) -> list[tuple[int, int]]:
    """First and end of each stretch of one level; a step that the interval of the two levels does not bear out is
    none."""
    logs = _logs(own, "time.median_s")
    places = steps(list(logs), deviation_of(own))
    while places:
        edges = [0, *places, len(own)]
        levels = [float(np.median(logs[a:b])) for a, b in itertools.pairwise(edges)]
        weak = [
            place
            for k, place in enumerate(places)
            if word_of(
                *_interval(own, math.exp(levels[k + 1] - levels[k]), place - edges[k], edges[k + 2] - place), 0.0, 0.0
            )
            == "undecided"
        ]
        if not weak:
            break
        places.remove(weak[0])
    edges = [0, *places, len(own)]
    return list(itertools.pairwise(edges))


def _logs(own: pd.DataFrame, name: str) -> NDArray[np.float64]:
    return np.asarray(np.log(own[name].to_numpy(float)))


def _interval(own: pd.DataFrame, ratio: float, left: int, right: int) -> tuple[float, float]:
    """99 % interval of the ratio of two levels, of so many runs each."""
    half = NORMAL_99 * deviation_of(own) * math.sqrt(1 / left + 1 / right)
    return ratio * math.exp(-half), ratio * math.exp(half)


def _changed(before: dict[str, Any], after: dict[str, Any], runs: dict[str, RunSummary]) -> tuple[str, ...]:
    found = []
    if before["sources"] and after["sources"] and before["sources"] != after["sources"]:
        found.append("its sources")
    if before["settings"] != after["settings"]:
        found.append("its settings")
    old, new = (runs[row["run"]].run for row in (before, after))
    if old is not None and new is not None:
        left, right = old.machine(before["machine"]).versions, new.machine(after["machine"]).versions
        found += [f"{name} {left[name]} → {right[name]}" for name in left if right.get(name, left[name]) != left[name]]
    return tuple(found)
