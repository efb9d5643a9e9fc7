"""Where the jobs of a sweep are done. This process and its workers are one place; replay.py is another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from workbench.build import Unit
from workbench.execute.server_of_workers import start_server
from workbench.execute.worker import Worker
from workbench.measure.ceilings import Measured
from workbench.store.record import Machine, Record
from workbench.sweep.building import Built, build_all
from workbench.sweep.checking import CheckJob, run_checks
from workbench.sweep.environment import environment, machine_of
from workbench.sweep.events import Event
from workbench.sweep.jobs import CaseJob
from workbench.sweep.progress import Progress
from workbench.sweep.run_case import run_case
from workbench.sweep.simulating import CountJob, MachineCodeCounts, count_all


class Runner(Protocol):
    """Does what a sweep consists of, and tells of it; the sweep writes it down."""

    def machine(self, backend: str) -> Machine:
        """The place where the records of a backend are made, under that id."""

    def environment(self, kernels: str) -> dict[str, Any]:
        """What concerns a run of it as a whole. `kernels`: the folder of kernels of one's own, or nothing."""

    def begin(self) -> None:
        """Told before anything else: whatever takes long to start can start now."""

    def build(self, units: Iterable[Unit], progress: Progress, simulates: bool) -> Built:
        """Compiles the units, and the simulator where it is needed."""

    def ceilings(self, device: str, seconds: float, timeout_s: float) -> Measured:
        """Measures what a device gives. Raises one of FAILURES where it cannot be."""

    def count(
        self,
        jobs: Sequence[CountJob],
        kernels: Path,
        timeout_s: float,
        take: Callable[[CountJob, MachineCodeCounts], None],
    ) -> None:
        """Counts what machine code does. Problem where nothing can be."""

    def check(self, jobs: Sequence[CheckJob], kernels: Path, timeout_s: float, take: Callable[[Record], None]) -> None:
        """Checks variants without a clock, a record for each."""

    def time(self, jobs: Sequence[CaseJob], take: Callable[[CaseJob, Event], None]) -> None:
        """Does every job, in whatever order; each attempt at one tells `take` what `run_case` tells, from Began to
        Ended. One that got no further may be followed by another, which begins with Began again."""


class ProcessTree(Runner):
    """This process, which holds references and clocks, and workers below it: one case at a time."""

    def machine(self, backend: str) -> Machine:
        return machine_of(backend)

    def environment(self, kernels: str) -> dict[str, Any]:
        return environment(kernels)

    def begin(self) -> None:
        start_server()

    def build(self, units: Iterable[Unit], progress: Progress, simulates: bool) -> Built:
        return build_all(units, progress, simulates)

    def ceilings(self, device: str, seconds: float, timeout_s: float) -> Measured:
        worker = Worker("workbench.sweep.ceilings:Ceilings", device)
        try:
            found: Measured = worker.call("measure", seconds, timeout_s=max(120.0, timeout_s), returns=Measured)
            return found
        finally:
            worker.close()

    def count(
        self,
        jobs: Sequence[CountJob],
        kernels: Path,
        timeout_s: float,
        take: Callable[[CountJob, MachineCodeCounts], None],
    ) -> None:
        count_all(jobs, kernels, timeout_s, take)

    def check(self, jobs: Sequence[CheckJob], kernels: Path, timeout_s: float, take: Callable[[Record], None]) -> None:
        run_checks(list(jobs), kernels, timeout_s, take)

    def time(self, jobs: Sequence[CaseJob], take: Callable[[CaseJob, Event], None]) -> None:
        for job in jobs:
            run_case(job, partial(take, job))
