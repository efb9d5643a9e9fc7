"""What each declared factor does to the time: from pairs of variants that differ in that factor and in no other.

A pair stands within one run, on one machine, at one shape, by one timer. An effect is the geometric mean of its pairs'
ratios. Its interval is that of this mean over these pairs: each record's median has a standard error, from its own 95 %
interval, on a logarithmic scale, and a record that stands in several pairs counts as the one record that it is. How far
the effect differs between shapes is said beside it, by the least and the largest pair.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.declare import variant_key
from workbench.model.rungs import LAST
from workbench.statistics.intervals import NORMAL_95, NORMAL_99
from workbench.statistics.verdict import word_of
from workbench.views.best import best_settings
from workbench.views.timed import PLACE, first_of

BLOCK = ("operation", "pass", "shape", "run", "machine", "backend", "time.timer", "time.cache")
"""What both sides of a pair have in common, beside all other factors."""
FACTOR = "factor "
"""Beginning of a column that holds a factor's level; empty where a variant declares none."""
READ = (
    "factors", "settings", "time.low_s", "time.high_s", "time.timer", "time.cache", "disturbance.disturbed",
    "disturbance.blocks",
)  # fmt: skip
"""Columns that effects are made of, beside those that every reader needs."""
NOT_FACTORS = ("peer",)
"""Declared beside factors, and no property of a kernel."""

EFFECTS = (
    "factor", "from", "to", "effect", "effect_low", "effect_high", "verdict", "effect_least", "effect_most", "pairs",
    "shapes", "noise_floor", "variants",
)  # fmt: skip
JOINT = (
    "factor", "from", "to", "with", "level_at", "level_other", "effect_at", "effect_at_other", "joint",
    "joint_low", "joint_high", "verdict", "pairs",
)  # fmt: skip


def cells(records: pd.DataFrame, newest: Sequence[str], known: Mapping[str, int]) -> pd.DataFrame:
    """A row for each combination of levels that was timed at a shape, by the fastest variant that has it: BLOCK,
    variant, a column per factor, `log_s` and its `variance`, `noise_floor`.

    Rungs are a run's own, or today's catalogue's (`known`: a variant's key → its rung). Of each shape and device the
    first of the runs `newest` that timed two variants there. Records of a disturbed machine, and of other people's
    code, are left out.
    """
    timed = best_settings(comparable(records[records["time.median_s"].notna()], newest))
    levels = {text: _levels(text) for text in timed["factors"].unique()}
    names = sorted({name for own in levels.values() if own for name in own})
    columns = {FACTOR + name: [(levels[text] or {}).get(name, "") for text in timed["factors"]] for name in names}
    keys = map(variant_key, timed["operation"], timed["variant"], timed["pass"])
    timed["rung"] = (
        timed["rung"]
        .astype("Float64")
        .fillna(pd.Series([known.get(key, LAST) for key in keys], timed.index, dtype="Float64"))
    )
    median, low, high = (timed[f"time.{name}_s"].astype(float) for name in ("median", "low", "high"))
    found = timed.assign(
        **columns, log_s=np.log(median), variance=((np.log(high) - np.log(low)) / (2 * NORMAL_95)) ** 2
    ).sort_values("time.median_s", kind="stable")
    kept = [*BLOCK, "variant", "rung", *columns, "log_s", "variance", "noise_floor"]
    found = found.drop_duplicates([*BLOCK, *columns])[kept].sort_values([*BLOCK, "rung"], kind="stable")
    return found.reset_index(drop=True).rename_axis("cell").reset_index()


def comparable(timed: pd.DataFrame, newest: Sequence[str]) -> pd.DataFrame:
    """Of records with a time, or of the rows of views/timed.py, those that effects are made from: on a machine that was
    not disturbed, with factors, of the first of the runs `newest` that timed two variants at their place."""
    levels = {text: _levels(text) for text in timed["factors"].dropna().unique()}
    sound = ~timed["disturbed"].fillna(False).astype(bool)
    found = timed[sound & timed["factors"].map(lambda text: bool(levels.get(text))).astype(bool)]
    found = found[found.groupby([*PLACE, "run"])["variant"].transform("nunique") > 1]
    return first_of(found, newest, PLACE)


def _levels(factors: str) -> dict[str, str] | None:
    """Factor → level; None for a peer's."""
    plain: dict[str, Any] = json.loads(factors)
    return None if plain.get("peer") == "yes" else {str(k): str(v) for k, v in plain.items() if k not in NOT_FACTORS}


def factors_of(found: pd.DataFrame) -> list[str]:
    """Factors of which two levels occur, in alphabetical order."""
    names = [name for name in found.columns if name.startswith(FACTOR)]
    return [name.removeprefix(FACTOR) for name in names if found.loc[found[name] != "", name].nunique() > 1]


def pairs(found: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Pairs of cells that differ in this factor alone, each with both levels declared, the level of the lower rung
    first: BLOCK, `from`, `to`, variant_a, variant_b, cell_a, cell_b, log_ratio, noise_floor, and all other factors."""
    column = FACTOR + factor
    own = found[found[column] != ""]
    others = [name for name in found.columns if name.startswith(FACTOR) and name != column]
    joined = own.merge(own, on=[*BLOCK, *others], suffixes=("_a", "_b"))
    order = {level: place for place, level in enumerate(_order(own, column))}
    joined = joined[joined[f"{column}_a"].map(order) < joined[f"{column}_b"].map(order)]
    return joined.assign(
        **{"from": joined[f"{column}_a"], "to": joined[f"{column}_b"]},
        log_ratio=joined["log_s_b"] - joined["log_s_a"],
        noise_floor=joined[["noise_floor_a", "noise_floor_b"]].max(axis=1, skipna=False),
    ).reset_index(drop=True)


def effects(found: pd.DataFrame, factor: str) -> pd.DataFrame:
    """EFFECTS of a factor, a row for each two levels that some pair holds: `effect` is the time with `to` over that
    with `from`. The interval has 95 % confidence; the verdict goes by that of 99 %, and by the pairs' mean noise."""
    rows = []
    together = pairs(found, factor)
    for (first, second), own in together.groupby(["from", "to"], sort=False):
        sides = [(1.0, own["cell_b"]), (-1.0, own["cell_a"])]
        mean, deviation = float(own["log_ratio"].mean()), _deviation(found, sides, len(own))
        variants = dict.fromkeys(f"{a} → {b}" for a, b in zip(own["variant_a"], own["variant_b"], strict=True))
        rows.append(
            (
                factor, first, second, *_around(mean, deviation), _word(mean, deviation, own["noise_floor"]),
                float(np.exp(own["log_ratio"].min())), float(np.exp(own["log_ratio"].max())), len(own),
                own["shape"].nunique(), float(own["noise_floor"].mean()), ", ".join(variants),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(EFFECTS))


def joint_effects(found: pd.DataFrame, factor: str, other: str) -> pd.DataFrame:
    """JOINT: whether `factor` does something else where `other` is at another level, from four cells that have every
    combination of two levels of each. `joint` is its effect at `at_other` over that at `at`: 1 where the two do not
    mind each other. Interval and verdict as of `effects`."""
    together = pairs(found, factor)
    column = FACTOR + other
    own = together[together[column] != ""]
    rest = [n for n in found.columns if n.startswith(FACTOR) and n not in (FACTOR + factor, column)]
    four = own.merge(own, on=[*BLOCK, *rest, "from", "to"], suffixes=("", " other"))
    order = {level: place for place, level in enumerate(_order(found[found[column] != ""], column))}
    four = four[four[column].map(order) < four[f"{column} other"].map(order)]
    rows = []
    for (first, second, at, at_other), own in four.groupby(["from", "to", column, f"{column} other"], sort=False):
        sides = [
            (1.0, own["cell_b other"]), (-1.0, own["cell_a other"]), (-1.0, own["cell_b"]), (1.0, own["cell_a"]),
        ]  # fmt: skip
        mean = float((own["log_ratio other"] - own["log_ratio"]).mean())
        deviation = _deviation(found, sides, len(own))
        noise = own[["noise_floor", "noise_floor other"]].sum(axis=1, skipna=False)
        rows.append(
            (
                factor, first, second, other, at, at_other, float(np.exp(own["log_ratio"].mean())),
                float(np.exp(own["log_ratio other"].mean())), *_around(mean, deviation), _word(mean, deviation, noise),
                len(own),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(JOINT))


def all_effects(found: pd.DataFrame, factors: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Those of each factor, and of each two of them, as one frame each."""
    alone = [effects(found, factor) for factor in factors]
    both = [joint_effects(found, *two) for two in itertools.combinations(factors, 2)]
    return _stacked(alone, EFFECTS), _stacked(both, JOINT)


def unpaired(found: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """Variants that stand in no pair: each differs from every other in two factors or more, or in none that is
    declared."""
    seen = {name for factor in factors for side in ("a", "b") for name in pairs(found, factor)[f"variant_{side}"]}
    return [name for name in dict.fromkeys(found["variant"]) if name not in seen]


def _order(own: pd.DataFrame, column: str) -> list[str]:
    """A factor's levels from the naive one on: by the lowest rung that has each, then by name."""
    return list(own.groupby(column)["rung"].min().sort_index().sort_values(kind="stable").index)


def _deviation(found: pd.DataFrame, sides: Sequence[tuple[float, pd.Series[Any]]], count: int) -> float:
    """Standard error of the mean of `count` logarithms of ratios, each a signed sum of cells."""
    weights = pd.concat([pd.Series(sign / count, index=cells_of.to_numpy()) for sign, cells_of in sides])
    each = weights.groupby(level=0).sum()
    variance = found["variance"].to_numpy(float)[each.index.to_numpy()]
    return float(np.sqrt((each.to_numpy() ** 2 * variance).sum()))


def _around(mean: float, deviation: float) -> tuple[float, float, float]:
    half = NORMAL_95 * deviation
    return float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half))


def _word(mean: float, deviation: float, noise: pd.Series[Any]) -> str:
    floor, half = float(noise.astype(float).mean(skipna=False)), NORMAL_99 * deviation
    return "undecided" if np.isnan(floor) else word_of(float(np.exp(mean - half)), float(np.exp(mean + half)), floor)


def _stacked(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(columns))
