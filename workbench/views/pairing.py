"""Which earlier run a run can be held against."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.views.filter import Filter
from workbench.views.query import read_records
from workbench.views.runs import RunSummary

FAR_ENOUGH = 20
"""Runs looked through before giving up: a page that opens is worth more than a run of last year."""


def earlier_run(run: RunSummary, runs: Sequence[RunSummary]) -> RunSummary | None:
    """The newest of `runs` made before `run` on its device that timed a variant at a shape that `run` timed too."""
    own = _timed(run)
    before = [r for r in runs if r.state != "corrupt" and r.device == run.device and r.created < run.created]
    return next((other for other in before[:FAR_ENOUGH] if own & _timed(other)), None)


def _timed(run: RunSummary) -> frozenset[tuple[str, ...]]:
    """Operation, variant and shape of every record with a time."""
    records = read_records([run], Filter()).frame
    timed = records[records["time.median_s"].notna()]
    return frozenset(zip(timed["operation"], timed["variant"], timed["shape"].astype(str), strict=True))
