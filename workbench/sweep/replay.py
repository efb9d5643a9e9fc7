"""A finished run told again, as if its jobs were done now: no kernel is compiled or run, and no clock is involved.

For tests and demonstrations of all that a sweep does beside: writing, going on where it was cut off, showing. What the
new run holds is the recorded run's, its machines included, and the new run's `environment` names it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from workbench.compile import Unit
from workbench.declare import Device
from workbench.measure.ceilings import Measured
from workbench.problem import Problem
from workbench.store.record import Machine, Record
from workbench.store.run_folder import RunFolder
from workbench.sweep.building import Built
from workbench.sweep.checking import CheckJob
from workbench.sweep.events import Began, Ended, Event, Recorded, Samples, Spread, Step
from workbench.sweep.jobs import CaseJob, VariantJob
from workbench.sweep.progress import Progress
from workbench.sweep.runner import Runner
from workbench.sweep.selection import Case, Selection
from workbench.sweep.simulating import CountJob, MachineCodeCounts

DEVICES: tuple[Device, ...] = ("cuda", "cpu")
FOUND_OUT: dict[str, Any] = {
    "ceilings": {}, "measurements": [], "spreads": {}, "between_runs": {}, "noise_floor": None
}  # fmt: skip
"""What a sweep finds out about a machine, and a replay tells bit by bit."""


class Replay(Runner):
    """Answers from the records of a finished run. Problem for a job that it has no record of."""

    def __init__(self, recorded: RunFolder) -> None:
        self._run = recorded.run
        self._records = {record.key: record for record in recorded.records()}
        self._ceilings = {machine.id: iter(_measured(machine)) for machine in recorded.run.machines}

    def selection(self) -> Selection:
        """What the recorded run was asked for, and where it was timed. Problem where it is no sweep's."""
        asked = Selection.from_dict(self._run.selection)
        return dataclasses.replace(asked, devices=asked.devices or self.devices())

    def devices(self) -> tuple[Device, ...]:
        timed = [machine.backend for machine in self._run.machines]
        return tuple(device for device in DEVICES if device in timed)

    def places(self, backend: str) -> tuple[str, ...]:
        return tuple(machine.id for machine in self._run.machines if machine.backend == backend)

    def machine(self, id_: str) -> Machine:
        return self._run.machine(id_).model_copy(update=FOUND_OUT)

    def environment(self, kernels: str) -> dict[str, Any]:
        return {**self._run.environment, "replay_of": self._run.name}

    def require_fit(self, case: Case) -> None:
        """Nothing is held: a run of a large machine is replayed on a small one."""

    def begin(self) -> None:
        pass

    def build(self, units: Iterable[Unit], progress: Progress, simulates: bool) -> Built:
        return Built()

    def ceilings(
        self,
        places: Sequence[str],
        seconds: float,
        timeout_s: float,
        take: Callable[[str, Measured | Exception], None],
    ) -> None:
        for place in places:
            found = next(self._ceilings.get(place, iter(())), None)
            take(place, found or Problem(f"{self._run.name} has none of them"))

    def count(
        self,
        jobs: Sequence[CountJob],
        kernels: Path,
        timeout_s: float,
        take: Callable[[CountJob, MachineCodeCounts], None],
    ) -> None:
        for job in jobs:
            record = self._record(job.key)
            take(job, MachineCodeCounts(simulated=record.simulated, executed=record.executed))

    def check(self, jobs: Sequence[CheckJob], kernels: Path, timeout_s: float, take: Callable[[Record], None]) -> None:
        for job in jobs:
            take(self._record(job.candidate.key))

    def time(self, jobs: Sequence[CaseJob], take: Callable[[CaseJob, Event], None]) -> None:
        """Blocks of all variants in turn, then the records. Of a second time nothing was recorded, and nothing is
        told."""
        for job in jobs:
            where = self._record(job.variants[0].key).machine
            machine = self.machine(where) if where != job.device else None
            job = job.done_on(machine.id if machine is not None else "")
            take(job, Began(machine))
            left = [one for one in job.variants if not one.is_repeat]
            blocks = [self._blocks(one) for one in left]
            while blocks:
                found = [next(one, None) for one in blocks]
                for block in filter(None, found):
                    take(job, block)
                blocks = [one for one, block in zip(blocks, found, strict=True) if block is not None]
            for one in left:
                take(job, Step(f"{job.variant_key(one)} at {job.shape}"))
                take(job, Recorded(self._record(one.key)))
            spread = self._run.machine(where).spreads.get(job.case)
            if left and spread is not None:
                take(job, Spread(spread))
            take(job, Ended())

    def _record(self, key: str) -> Record:
        if key not in self._records:
            raise Problem(f"{self._run.name} has no record {key}: it was made from another selection or catalogue")
        return self._records[key]

    def _blocks(self, one: VariantJob) -> Iterator[Samples]:
        """The record's samples after those that the job has begun with, in as many blocks as the record came from. How
        long each took is not in a record; it is told as long as its samples."""
        record = self._record(one.key)
        samples = record.samples_s[len(one.begun.samples_s) if one.begun is not None else 0 :]
        blocks = record.disturbance.blocks if record.disturbance is not None else 1
        size = max(1, -(-len(record.samples_s) // max(1, blocks)))
        for first in range(0, len(samples), size):
            block = samples[first : first + size]
            yield Samples(record.key, dict(record.settings), block, sum(block), disturbed=False)


def _measured(machine: Machine) -> Iterator[Measured]:
    """Each time that its ceilings were measured."""
    for one in machine.measurements:
        yield Measured(dict(one.rates), tuple(one.under_load), tuple(one.reasons))
    if machine.ceilings and not machine.measurements:
        yield Measured(dict(machine.ceilings))
