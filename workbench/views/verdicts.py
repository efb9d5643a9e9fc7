"""The one rule by which two records are judged: the page Scaling, `compare` and `best` all go by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from workbench.statistics.verdict import Verdict, judge
from workbench.views.rows import number_of

Row = Mapping[str, Any]
"""A flat row of a record with its samples and derived figures."""


def verdict_on(b: Row, a: Row) -> tuple[Verdict, str]:
    """The verdict on b against a, both with a time, and which of them was timed on a disturbed machine: `A`, `B`,
    `A and B`, or empty where it does not matter.

    Their medians must differ by more than the same code does from itself: within a run that is the A/A spread of their
    case, between two runs also what a repeated baseline differed by. Nothing is decided by a disturbed record, but that
    it is the same as itself.
    """
    found = judge(_samples(a), _samples(b), noise_between(a, b))
    disturbed = " and ".join(name for name, row in (("A", a), ("B", b)) if _is_true(row.get("disturbed")))
    if not disturbed or found.is_one_measurement:
        return found, ""
    reasons = [row.get("disturbance.reasons") for name, row in (("A", a), ("B", b)) if name in disturbed]
    why = dict.fromkeys(word for text in reasons if isinstance(text, str) and text for word in text.split("; "))
    told = f" ({', '.join(why)})" if why else ""
    were = "were" if " " in disturbed else "was"
    reason = f"disturbed: {disturbed} {were} timed while others used the machine{told}; sweep again when it is quiet"
    return replace(found, word="undecided", reason=reason, samples_needed=None), disturbed


def noise_between(a: Row, b: Row) -> float | None:
    """What times of the same code may differ by, relative; None where one of them has no A/A spread."""
    own = [number_of(row.get("noise_floor")) for row in (a, b)]
    if any(value is None for value in own):
        return None
    known = [value for value in own if value is not None]
    return max([*known, *between_runs(a, b)])


def between_runs(a: Row, b: Row) -> list[float]:
    """The spreads between runs that concern the two: none within one run, and none where no run has any."""
    if a.get("run") == b.get("run"):
        return []
    return [value for row in (a, b) if (value := number_of(row.get("between_runs"))) is not None]


def _samples(row: Row) -> Sequence[float]:
    values = row.get("samples_s")
    return [] if values is None or isinstance(values, float) else values


def _is_true(value: Any) -> bool:
    return value is not None and value == value and bool(value)
