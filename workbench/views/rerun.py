"""Rounds of measurements of two sides as one measurement: samples pooled, noise from what the rounds differ by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.statistics.intervals import NORMAL_95
from workbench.statistics.rounds import between_rounds
from workbench.statistics.verdict import EQUIVALENT, resolution
from workbench.views.best import best_settings
from workbench.views.compare import SAME_PROBLEM, Comparison, Pair, compare
from workbench.views.rows import dicts_of

PLACE = (*SAME_PROBLEM, "device")
POOLED = "all rounds"
"""The run that pooled records come from: the two sides are one measurement."""


def compared(records: pd.DataFrame, rounds: Mapping[str, tuple[str, int]], fail_over: float | None) -> Comparison:
    """The comparison of two sides over all their rounds. `records`, with samples, of the runs of `rounds`: a run's or a
    run and variant's (`RUN:VARIANT`) side, `A` or `B`, and the number of its round."""
    keys = records["run"] + ":" + records["variant"]
    named = [rounds.get(key) or rounds.get(run, ("", 0)) for key, run in zip(keys, records["run"], strict=True)]
    own = records.assign(side=[side for side, _ in named], round=[number for _, number in named])
    own = best_settings(own[own["side"] != ""])
    both_ways = own["variant"].nunique() > 1 and own.groupby("side")["variant"].nunique().max() == 1
    a, b = (_pooled(own[own["side"] == side]) for side in ("A", "B"))
    noise = _noise(own, not both_ways)
    a, b = (
        side.assign(noise_floor=[noise.get(_place(row, not both_ways), math.nan) for row in dicts_of(side)])
        for side in (a, b)
    )
    return compare(a, b, same_variant=not both_ways, fail_over=fail_over)


def _pooled(own: pd.DataFrame) -> pd.DataFrame:
    """A row per problem and variant: its last one, with the samples of all undisturbed rounds (of all, where none was
    undisturbed) in the order taken."""
    rows = []
    for _, group in own.groupby([*PLACE, "variant"], sort=False):
        ordered = group.sort_values("round")
        sound = ordered[~ordered["disturbed"].fillna(False).astype(bool)]
        kept = sound if len(sound) else ordered
        timed = kept[kept["time.median_s"].notna()]
        last: dict[str, Any] = dicts_of(ordered.tail(1))[0]
        if len(timed) and last["status"] == "ok":
            samples = np.concatenate([np.asarray(one, dtype=float) for one in timed["samples_s"]])
            last |= {"samples_s": samples, "time.median_s": float(np.median(samples)), "disturbed": not len(sound)}
        rows.append(last | {"run": POOLED, "between_runs": math.nan})
    return pd.DataFrame(rows, columns=own.columns) if rows else own


def _noise(own: pd.DataFrame, same_variant: bool) -> dict[tuple[Any, ...], float]:
    """By how much two pooled sides may differ where nothing differs: the A/A spreads of the rounds, and what the ratio
    of the sides itself differs by from round to round, each over the root of the rounds."""
    found: dict[tuple[Any, ...], float] = {}
    timed = own[own["time.median_s"].notna() & ~own["disturbed"].fillna(False).astype(bool)]
    keys = [*PLACE, *(["variant"] if same_variant else [])]
    for _, group in timed.groupby(keys, sort=False):
        medians = group.pivot_table(index="round", columns="side", values="time.median_s", aggfunc="min").dropna()
        spreads = group["noise_floor"].astype(float).dropna()
        if spreads.empty or medians.shape[1] < 2:
            continue
        rounds = max(1, len(medians))
        within = min(float(spreads.max()), NORMAL_95 * math.sqrt(float((spreads**2).mean()) / rounds))
        between = between_rounds(medians["B"].to_numpy(float) / medians["A"].to_numpy(float))
        found[_place(dicts_of(group.head(1))[0], same_variant)] = max(within, between)
    return found


def _place(row: Mapping[str, Any], same_variant: bool) -> tuple[Any, ...]:
    return tuple(row[name] for name in (*PLACE, *(["variant"] if same_variant else [])))


def open_pairs(result: Comparison) -> int:
    """Pairs that more rounds could still decide: undecided ones, and those that are the same for the noise alone, which
    rounds make less of."""

    def is_open(pair: Pair) -> bool:
        coarse = pair.verdict == "same" and resolution(pair.low, pair.high) > EQUIVALENT
        return pair.median_b_s is not None and (pair.verdict == "undecided" or coarse)

    return sum(map(is_open, result.pairs))
