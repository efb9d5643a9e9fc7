"""The stage that times: one case at a time, its inputs and references made once, its variants in contest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from workbench.check.case import Draw, timed_draws
from workbench.declare import Device
from workbench.execute.here import why_unsupported
from workbench.execute.worker import Worker, WorkerCrashed, WorkerTimeout
from workbench.problem import Problem
from workbench.store.record import BuildFact, Record, Status
from workbench.sweep.contest import Contest
from workbench.sweep.memory import checks_at_once, group_size, require_fit
from workbench.sweep.presets import Effort
from workbench.sweep.records import Subject
from workbench.sweep.selection import Case
from workbench.sweep.watch import Watch
from workbench.temporary import IN_MEMORY, temporary_folder

ROOMY = 4 << 30
"""Free bytes of the in-memory file system from which on a case is kept there rather than on disk."""


@dataclass
class CaseTimer:
    """Times one case on one device."""

    case: Case
    device: Device
    kernels: Path
    writer: CaseWriter
    effort: Effort
    timeout_s: float
    seed: int
    watch: Watch
    journal: Callable[[dict[str, Any]], None]
    earlier: dict[str, dict[str, Any]]
    facts: dict[str, list[BuildFact]]
    """Build facts by variant name."""

    def run(self, skip: set[str]) -> tuple[list[Record], float | None]:
        """Records of every variant whose key is not in `skip`, and the A/A spread (None where nothing was timed).

        Raises Problem where the case does not fit in memory.
        """
        operation, shape = self.case.operation, self.case.shape
        records: list[Record] = []
        subjects: list[Subject] = []
        for variant in self.case.variants:
            subject = Subject(variant, operation, shape, self.device, tuple(self.facts.get(variant.name, ())))
            if self.device not in variant.devices or subject.key in skip:
                continue
            reason = why_unsupported(variant, shape)
            if reason is not None:
                records.append(subject.record(Status.UNSUPPORTED, reason=reason))
            else:
                subjects.append(subject)
        if not subjects:
            return records, None
        require_fit(operation, shape)
        timed, checked = timed_draws(operation, shape), self.effort.draws(operation)
        noise = None
        with _case_folder() as folder:
            self.writer.write(folder, self.case, (*timed, *checked))
            free = psutil.virtual_memory().available if self.device == "cpu" else _free_device_bytes()
            variants = [s.variant for s in subjects]
            contest = Contest(
                kernels=self.kernels,
                case=folder,
                device=self.device,
                timed=timed,
                checked=checked,
                checked_at_once=1 if self.device == "cpu" else checks_at_once(variants, operation, shape, free),
                effort=self.effort,
                timeout_s=self.timeout_s,
                seed=self.seed,
                watch=self.watch,
                journal=self.journal,
                earlier=self.earlier,
            )
            # One place of each group is the mirror's: the variant that runs against itself.
            size = group_size(variants, operation, shape, len(timed), free) - 1
            for first in range(0, len(subjects), size):
                found, spread = contest.run(subjects[first : first + size])
                records += found
                noise = max(filter(None, (noise, spread)), default=None)
        return records, noise


class CaseWriter:
    """Makes the inputs and references of cases in a process of its own, which goes when the operation changes: the
    coordinator stays small, and no memory is kept for good."""

    def __init__(self, kernels: Path, timeout_s: float) -> None:
        self._kernels, self._timeout_s = kernels, timeout_s
        self._operation = ""
        self._worker: Worker | None = None

    def write(self, folder: Path, case: Case, draws: tuple[Draw, ...]) -> None:
        """Writes a case's draws under `folder`. Problem where its reference cannot be made."""
        name = case.operation.name
        if self._worker is None or self._operation != name:
            self.close()
            self._worker = Worker("workbench.measure.station:CaseMaker", self._kernels, name)
            self._operation = name
        try:
            # A reference in float64 takes longer than any variant.
            self._worker.call("write", folder, case.shape, draws, timeout_s=10 * self._timeout_s)
        except (WorkerCrashed, WorkerTimeout) as failure:
            raise Problem(f"{name} at {case.shape}: its reference could not be made: {failure}") from None

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


@contextlib.contextmanager
def _case_folder() -> Iterator[Path]:
    """A temporary folder in memory where there is one large enough, else on disk."""
    roomy = IN_MEMORY.is_dir() and psutil.disk_usage(str(IN_MEMORY)).free > ROOMY
    with temporary_folder(IN_MEMORY if roomy else None) as folder:
        yield folder


def _free_device_bytes() -> int:
    worker = Worker("workbench.measure.station:DeviceMemory")
    try:
        free: int = worker.call("free_bytes", timeout_s=60.0)
        return free
    finally:
        worker.close()
