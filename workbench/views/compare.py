"""Two runs, or two variants, laid side by side: paired by problem, a verdict per pair."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from workbench.statistics.verdict import Verdict, Word
from workbench.views.best import best_settings
from workbench.views.rows import dicts_of
from workbench.views.verdicts import between_runs, noise_between, verdict_on

COMPARED_BY = (
    "sources", "reason", "samples_s", "settings", "factors", "simulated", "error.relative_l2", "time.timer",
    "time.cache",
    "disturbance.disturbed", "disturbance.blocks", "disturbance.reasons",
)  # fmt: skip
"""Columns that a comparison is made of, beside those that every reader needs."""
SAME_PROBLEM = ("operation", "pass", "shape", "backend")
TIMER = ("time.timer", "time.cache")


EXIT_STATUS = {
    0: "nothing is slower",
    1: "something is slower, beyond doubt and by more than --fail-over lets pass",
    2: "it cannot be excluded that something is slower: undecided, disturbed, or nothing to compare",
}
"""What the exit status of a comparison means."""


@dataclass(frozen=True)
class Pair:
    """One problem that A and B both solve, and the verdict on B against A."""

    operation: str
    variant_a: str
    variant_b: str
    pass_: str
    shape: str
    key_a: str
    key_b: str
    run_a: str
    run_b: str
    device_a: str
    device_b: str
    backend: str
    timer: str
    settings_a: str
    settings_b: str
    median_a_s: float | None
    median_b_s: float | None
    ratio: float
    low: float
    high: float
    verdict: Word
    disturbed: str
    """Which sides' times were taken on a disturbed machine: `A`, `B`, `A and B`; empty where neither was."""
    noise_floor: float | None
    reason: str


@dataclass(frozen=True)
class Comparison:
    """All pairs, what was left out, and what the command's exit status is made of."""

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    """What could not be compared and why, a sentence each."""
    fail_over: float | None = None

    def fails(self, pair: Pair) -> bool:
        """Slower beyond doubt, by more than what is let pass."""
        return pair.verdict == "slower" and (self.fail_over is None or pair.low > 1 + self.fail_over)

    def undecided(self, pair: Pair) -> bool:
        """It cannot be said that the pair is within what is let pass: undecided, and its interval reaches beyond."""
        if pair.disturbed and pair.verdict == "undecided":
            return True
        if pair.verdict != "undecided":
            return self.fail_over is not None and pair.low <= 1 + self.fail_over < pair.high
        margin = max(pair.noise_floor or 0.0, self.fail_over or 0.0)
        return not pair.high <= 1 + margin

    @property
    def exit_status(self) -> int:
        """See EXIT_STATUS."""
        if any(self.fails(pair) for pair in self.pairs):
            return 1
        return 2 if not self.pairs or any(self.undecided(pair) for pair in self.pairs) else 0

    def frame(self) -> pd.DataFrame:
        rows = [{f.name.rstrip("_"): getattr(pair, f.name) for f in fields(Pair)} for pair in self.pairs]
        found = pd.DataFrame(rows, columns=[f.name.rstrip("_") for f in fields(Pair)])
        return found.assign(disturbed=found["disturbed"].where(found["disturbed"] != ""))


def compare(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    same_variant: bool,
    across_devices: bool = False,
    across_timers: bool = False,
    fail_over: float | None = None,
) -> Comparison:
    """Pairs the records of two frames (with samples and a column `run`) by operation, pass, shape and backend, and
    by variant too where `same_variant`; the fastest setting of each stands for it.

    A pair is held against the larger of its sides' A/A spreads, and of two runs also against what a repeated baseline
    differed by (views/verdicts.py). Records on different devices, or on machines of a cluster that differ, where chance
    gave a case to one of them, or timed by different timers, are not compared unless asked for.
    """
    keys = [*SAME_PROBLEM, *(["variant"] if same_variant else [])]
    left = best_settings(a, (*SAME_PROBLEM, "device"))
    right = best_settings(b, (*SAME_PROBLEM, "device"))
    joined = left.merge(right, on=keys, suffixes=("_a", "_b")) if len(left) and len(right) else pd.DataFrame()
    pairs, refused = [], dict.fromkeys(("devices", "machines", "timers", "spreads"), 0)
    for row in dicts_of(joined):
        if row["device_a"] != row["device_b"] and not across_devices:
            refused["devices"] += 1
        elif _machines_differ(row) and not across_devices:
            refused["machines"] += 1
        elif _timers_differ(row) and not across_timers:
            refused["timers"] += 1
        elif row["status_a"] == "ok" and _timed(row, "a"):
            pairs.append(_pair(row, same_variant))
            refused["spreads"] += _lacks_spread(row, pairs[-1])
    return Comparison(tuple(pairs), _notes(left, right, joined, refused), fail_over)


def _lacks_spread(row: dict[str, Any], pair: Pair) -> bool:
    """Whether two times were judged that come from two runs, without knowing what two runs differ by."""
    judged = pair.median_b_s is not None and pair.low != pair.high
    return judged and pair.run_a != pair.run_b and not between_runs(_side(row, "a"), _side(row, "b"))


def _timed(row: dict[str, Any], which: str) -> bool:
    return bool(pd.notna(row[f"time.median_s_{which}"]))


def _machines_differ(row: dict[str, Any]) -> bool:
    """Whether both were timed on machines of a cluster, whose names are in their ids, and not on the same."""
    a, b = (row[f"machine_{which}"].partition("@")[2] for which in "ab")
    return bool(a and b and a != b)


def _timers_differ(row: dict[str, Any]) -> bool:
    return _timed(row, "a") and _timed(row, "b") and any(row[f"{name}_a"] != row[f"{name}_b"] for name in TIMER)


def _pair(row: dict[str, Any], same_variant: bool) -> Pair:
    disturbed = ""
    if _timed(row, "b"):
        verdict, disturbed = verdict_on(_side(row, "b"), _side(row, "a"))
    else:  # it had a time and has none any more: that is for a person to see
        nan = float("nan")
        reason = f"B has no time: {row['status_b']}" + (f" ({row['reason_b']})" if row["reason_b"] else "")
        verdict = Verdict("undecided", nan, nan, nan, noise_between(_side(row, "a"), _side(row, "b")), reason)
    return Pair(
        operation=row["operation"],
        variant_a=row["variant"] if same_variant else row["variant_a"],
        variant_b=row["variant"] if same_variant else row["variant_b"],
        pass_=row["pass"],
        shape=row["shape"],
        backend=row["backend"],
        timer="/".join(str(row[f"{name}_a"]) for name in TIMER),
        median_a_s=row["time.median_s_a"],
        median_b_s=row["time.median_s_b"] if _timed(row, "b") else None,
        ratio=verdict.ratio,
        low=verdict.low,
        high=verdict.high,
        verdict=verdict.word,
        disturbed=disturbed,
        noise_floor=verdict.noise_floor,
        reason=verdict.reason,
        **{
            f"{name}_{which}": row[f"{name}_{which}"] for name in ("key", "run", "device", "settings") for which in "ab"
        },
    )


JUDGED_BY = ("run", "samples_s", "noise_floor", "between_runs", "disturbed", "disturbance.reasons")


def _side(row: dict[str, Any], which: str) -> dict[str, Any]:
    """What one side of a pair is judged by."""
    return {name: row.get(f"{name}_{which}") for name in JUDGED_BY}


def _notes(left: pd.DataFrame, right: pd.DataFrame, joined: pd.DataFrame, refused: dict[str, int]) -> tuple[str, ...]:
    notes = []
    for name, own in (("A", left), ("B", right)):
        if not len(own) or own["time.median_s"].isna().all():
            notes.append(f"{name} holds no times: only records with status ok on a real device are timed")
    if len(left) and len(right) and joined.empty:
        notes.append("no operation, shape, dtype and pass is in both: sweep the same shapes in both")
    if len(joined):
        for name, own, column in (("A", left, "key_a"), ("B", right, "key_b")):
            alone = int((own["time.median_s"].notna() & ~own["key"].isin(joined[column])).sum())
            if alone:
                notes.append(f"{alone} timed records are in {name} only")
    for kind, how, asked in (("devices", "on", "devices"), ("machines", "on", "devices"), ("timers", "with", "timers")):
        if refused[kind]:
            what = f"{refused[kind]} pairs {how} different {kind} were not compared"
            notes.append(f"{what}; compare across {asked} (--across-{asked}) to have them")
    if refused["spreads"]:
        notes.append(
            f"{refused['spreads']} pairs come from two runs of which neither timed a baseline twice: the noise (A/A) "
            "is that within a run, and runs can differ by more; sweep one of them again"
        )
    return tuple(notes)
