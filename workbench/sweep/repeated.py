"""What is timed a second time at the end of a run, so that the run says how far apart two runs lie."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from workbench.declare import Device
from workbench.store.record import Record
from workbench.sweep.group import AGAINST_ITSELF_S
from workbench.sweep.jobs import Begun, CaseJob, VariantJob
from workbench.sweep.records import Candidate
from workbench.sweep.selection import Case

MOST_REPEATED = 5
REPEATED_SHARE = 0.1
"""Cases whose baseline is timed a second time, and the share of the sweep's time that it may take; one always is."""


def repeatable(case: Case, device: Device, done: Mapping[str, Record]) -> Record | None:
    """The record of a case that is timed again: the baseline's, or the fastest where that takes long. None where
    nothing of it has a time."""
    keys = {v.name: Candidate(v, case.operation, case.shape, device).key for v in case.variants}
    timed = [r for key in keys.values() if (r := done.get(key)) is not None and r.time is not None]
    if not timed:
        return None
    fastest = min(timed, key=lambda r: r.time.median_s if r.time else math.inf)
    baseline = done.get(keys.get(case.operation.baseline, ""))
    short = baseline is not None and baseline.time is not None and baseline.time.median_s <= AGAINST_ITSELF_S
    return baseline if short else fastest


def again(job: CaseJob, record: Record) -> CaseJob:
    """The job of timing that record's variant alone once more, with the settings that it had."""
    one = VariantJob(record.key, record.variant, begun=Begun(dict(record.settings)))
    return dataclasses.replace(job, variants=(one,), machine=record.machine)
