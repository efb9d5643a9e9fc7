"""The stage that times: one case at a time, its inputs and references made once, its variants in contest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from workbench.check.case import swapped_draws, timed_draws
from workbench.check.case_memory import CaseMemory
from workbench.declare import Device
from workbench.execute.failures import FAILURES
from workbench.execute.here import why_unsupported
from workbench.execute.worker import Worker
from workbench.problem import Problem
from workbench.store.record import BuildFact, Record, Status
from workbench.sweep.contest import Contest
from workbench.sweep.memory import checks_at_once, group_size, require_fit
from workbench.sweep.presets import Effort
from workbench.sweep.records import Subject
from workbench.sweep.selection import Case
from workbench.sweep.watch import Watch


@dataclass
class CaseTimer:
    """Times one case on one device."""

    case: Case
    device: Device
    kernels: Path
    effort: Effort
    timeout_s: float
    seed: int
    watch: Watch
    journal: Callable[[dict[str, Any]], None]
    earlier: dict[str, dict[str, Any]]
    facts: dict[str, list[BuildFact]]
    """Build facts by variant name."""
    ceilings: Mapping[str, float]
    """Those of the run."""
    only: str | None = None
    """The one variant that is timed; None: all of the case."""

    def run(self, skip: set[str]) -> tuple[list[Record], float | None]:
        """Records of every variant whose key is not in `skip`, and the A/A spread (None where nothing was timed).

        Raises Problem where the case does not fit in memory.
        """
        operation, shape = self.case.operation, self.case.shape
        records: list[Record] = []
        subjects: list[Subject] = []
        for variant in self.case.variants:
            subject = Subject(variant, operation, shape, self.device, tuple(self.facts.get(variant.name, ())))
            left_out = self.only is not None and variant.name != self.only
            if self.device not in variant.devices or subject.key in skip or left_out:
                continue
            reason = why_unsupported(variant, shape)
            broken = subject.broken() if reason is None else None
            if reason is not None:
                records.append(subject.record(Status.UNSUPPORTED, reason=reason))
            elif broken is not None:
                records.append(subject.record(Status.CRASHED, reason=broken))
            else:
                subjects.append(subject)
        if not subjects:
            return records, None
        require_fit(operation, shape)
        timed, checked = timed_draws(operation, shape), self.effort.draws(operation)
        noise = None
        swapped = swapped_draws(operation, timed, checked)
        with CaseMemory(operation, shape, tuple(dict.fromkeys((*timed, *checked, *swapped)))) as memory:
            try:
                write_case(memory, self.kernels, self.timeout_s)
            except Problem as problem:  # the operation's fault: no variant has anything to be held against
                return [*records, *(s.record(Status.CRASHED, reason=str(problem)) for s in subjects)], None
            free = psutil.virtual_memory().available if self.device == "cpu" else _free_device_bytes()
            variants = [s.variant for s in subjects]
            contest = Contest(
                kernels=self.kernels,
                case=memory,
                device=self.device,
                timed=timed,
                checked=checked,
                swapped=swapped,
                checked_at_once=1 if self.device == "cpu" else checks_at_once(variants, operation, shape, free),
                effort=self.effort,
                timeout_s=self.timeout_s,
                seed=self.seed,
                watch=self.watch,
                journal=self.journal,
                earlier=self.earlier,
                ceilings=self.ceilings,
            )
            # One place of each group is the twin's: the variant that runs against itself. In a CPU's memory lies also
            # what each hands over.
            held = len(timed) + (1 if self.device == "cpu" else 0)
            size = group_size(variants, operation, shape, held, free) - 1
            for first in range(0, len(subjects), size):
                found, spread = contest.run(subjects[first : first + size])
                records += found
                noise = max(filter(None, (noise, spread)), default=None)
        return records, noise


def write_case(memory: CaseMemory, kernels: Path, timeout_s: float) -> None:
    """Makes the inputs and references of a case in a process of its own: the coordinator stays small, and no variant
    has ever run where they are made. Problem where the reference cannot be made."""
    operation = memory.operation
    case = kernels, operation.key, memory.shape, memory.draws
    files = (memory.inputs_block.descriptor, memory.references_block.descriptor)
    maker = Worker("workbench.measure.station:CaseMaker", *case, files=files)
    try:
        # A reference in float64 takes longer than any variant.
        maker.call("write", timeout_s=10 * timeout_s, returns=None)
    except FAILURES as failure:
        raise Problem(f"{operation.key} at {memory.shape}: its reference could not be made: {failure}") from None
    finally:
        maker.close()
    memory.seal()


def _free_device_bytes() -> int:
    worker = Worker("workbench.measure.station:DeviceMemory")
    try:
        free: int = worker.call("free_bytes", timeout_s=60.0, returns=int)
        return free
    finally:
        worker.close()
