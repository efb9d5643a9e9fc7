"""Which variant to take for a shape: the measured ones in order, with ties, and what sets each apart from the first."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.quantity import bound_text, quantity
from workbench.statistics.verdict import Verdict, Word
from workbench.views.best import best_settings
from workbench.views.flat import EXPRESSIONS
from workbench.views.rows import dicts_of, number_of
from workbench.views.shapes import shape_text, sizes_of
from workbench.views.verdicts import verdict_on

READ = (
    "samples_s", "settings", "time.low_s", "time.high_s", "time.cache", "time.timer", "time.working_set_bytes",
    "error.relative_l2", "bytes.declared", "bytes.counted", "launches.declared", "launches.counted", "flops",
    *(name for name in EXPRESSIONS if name.startswith(("declared.", "least.", "bounds.", "disturbance."))),
)  # fmt: skip
"""Columns that a ranking is made of, beside those that every reader needs."""
MUCH_MORE = 1.1
"""Times the bytes, or the launches, of the first: said as what sets a variant apart."""


@dataclass(frozen=True)
class Ranked:
    """One variant at the shape on one device."""

    rank: int
    """Those that are not slower than the first beyond doubt share its rank, 1."""
    variant: str
    device: str
    run: str
    median_s: float
    low_s: float
    high_s: float
    ratio: float
    """Its median over the first's."""
    settings: str
    error: float | None
    """Worst relative L2 error."""
    share_of_limit: float | None
    kept_bytes: float | None
    """What a backward pass needs that the forward pass keeps; None of a forward pass."""
    disturbed: bool
    verdict: Word
    """Against the first; `same` of itself."""
    reason: str


def at_shape(records: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """The timed records whose shape has these sizes; axes that are not named may have any."""
    timed = records[records["time.median_s"].notna()] if len(records) else records
    if timed.empty:
        return timed
    shapes = [shape for shape in timed["shape"].unique() if sizes.items() <= sizes_of(shape).items()]
    return timed[timed["shape"].isin(shapes)]


def nearest(records: pd.DataFrame, sizes: Mapping[str, int], most: int = 3) -> list[str]:
    """The measured shapes nearest to these sizes, by the logarithms of their ratios, as text."""
    timed = records[records["time.median_s"].notna()] if len(records) else records

    def distance(shape: str) -> float:
        known = sizes_of(shape)
        return sum(abs(math.log(known.get(a, 1) / n)) for a, n in sizes.items())

    shapes = sorted(dict.fromkeys(timed.get("shape", ())), key=distance)
    return [shape_text(shape) for shape in shapes[:most]]


def ranking(records: pd.DataFrame, newest: Sequence[str]) -> list[Ranked]:
    """Records of one operation, pass, shape and device, with their samples, from fast to slow: each variant by the
    first of the runs `newest` that timed it, with its best settings."""
    rows = best_settings(records)
    place = {run: number for number, run in enumerate(newest)}
    rows = rows.assign(_run=rows["run"].map(place)).sort_values(["_run", "time.median_s"], kind="stable")
    rows = rows.drop_duplicates("variant").sort_values("time.median_s", kind="stable")
    found = dicts_of(rows)
    ranked: list[Ranked] = []
    for number, row in enumerate(found):
        verdict, _ = verdict_on(row, found[0])
        tied = number == 0 or verdict.word != "slower"
        reason = _first(row) if number == 0 else _tie(verdict) if tied else _apart(row, found[0])
        ranked.append(
            Ranked(
                rank=1 if tied else number + 1,
                variant=row["variant"],
                device=row["device"],
                run=row["run"],
                median_s=float(row["time.median_s"]),
                low_s=float(row["time.low_s"]),
                high_s=float(row["time.high_s"]),
                ratio=float(row["time.median_s"] / found[0]["time.median_s"]),
                settings=str(row["settings"]),
                error=number_of(row["error.relative_l2"]),
                share_of_limit=number_of(row["share_of_limit"]),
                kept_bytes=number_of(row["kept_bytes"]),
                disturbed=bool(row["disturbed"]),
                verdict=verdict.word,
                reason=reason,
            )
        )
    return sorted(ranked, key=lambda one: (one.rank, one.median_s))


def _first(row: Mapping[str, Any]) -> str:
    share, bound = number_of(row["share_of_floor"]), row["floor_bound_by"]
    if share is None or not isinstance(bound, str):
        return "the shortest median"
    return f"the shortest median; {quantity(share, '%')} of its own model, bound by {bound} (modelled)"


def _tie(verdict: Verdict) -> str:
    if verdict.word == "undecided":
        return f"not told apart from the first: {verdict.reason}"
    if verdict.word == "faster":  # of samples whose medians are in the other order than those of the whole record
        return "a tie: not slower than the first beyond doubt"
    return f"a tie: the same within {bound_text(verdict.resolution)}"


def _apart(row: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    """Why it is not the first: what it does more of, counted before declared; else how well it runs."""
    found = []
    for what, unit, counted, declared in (
        ("bytes", "x", "bytes.counted", "bytes.declared"),
        ("launches", "x", "launches.counted", "launches.declared"),
    ):
        for column, origin in ((counted, "measured"), (declared, "declared")):
            own, least = number_of(row[column]), number_of(first[column])
            if own is not None and least:
                if own > MUCH_MORE * least:
                    found.append(f"{quantity(own / least, unit)} the {what} of {first['variant']} ({origin})")
                break
    share = number_of(row["share_of_floor"])
    if share is not None and isinstance(row["floor_bound_by"], str):
        found.append(f"{quantity(share, '%')} of its own model, bound by {row['floor_bound_by']}")
    return "; ".join(found) or "slower, and neither bytes nor launches say why"


def to_take(ranked: Sequence[Ranked]) -> str:
    """What a ranking comes to, in a sentence: an open question is no tie."""
    first = ranked[0].variant
    same = [one.variant for one in ranked[1:] if one.rank == 1 and one.verdict == "same"]
    open_ = [one.variant for one in ranked[1:] if one.rank == 1 and one.verdict != "same"]
    text = f"a tie between {', '.join([first, *same])}: take any of them" if same else f"take {first}"
    return f"{text}; not told apart from {first} yet: {', '.join(open_)}" if open_ else text


def as_plain(found: Sequence[Ranked]) -> list[dict[str, Any]]:
    """For JSON."""
    return [{**vars(one), "settings": json.loads(one.settings)} for one in found]
