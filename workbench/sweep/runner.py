"""Where the jobs of a sweep are done. This process and its workers are one place; replay.py is another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from workbench.compile import Unit
from workbench.declare import Device
from workbench.execute.failures import FAILURES
from workbench.execute.server_of_workers import start_server
from workbench.execute.this_machine import gpu_name
from workbench.execute.worker import Worker
from workbench.measure.ceilings import Measured
from workbench.store.record import Machine, Record
from workbench.sweep.building import Built, build_all
from workbench.sweep.checking import CheckJob, run_checks
from workbench.sweep.environment import environment, machine_of
from workbench.sweep.events import Event
from workbench.sweep.jobs import CaseJob
from workbench.sweep.memory import require_fit
from workbench.sweep.progress import Progress
from workbench.sweep.run_case import run_case
from workbench.sweep.selection import Case
from workbench.sweep.simulating import CountJob, MachineCodeCounts, count_all


class Runner(Protocol):
    """Does what a sweep consists of, and tells of it; the sweep writes it down."""

    place: str = "this machine"
    """In words."""

    def devices(self) -> tuple[Device, ...]:
        """What can be timed there; the first is where a sweep times that names none."""

    def places(self, backend: str) -> tuple[str, ...]:
        """Ids of the machines where records of a backend are made."""

    def machine(self, id_: str) -> Machine:
        """One of those, under that id."""

    def environment(self, kernels: str) -> dict[str, Any]:
        """What concerns a run of it as a whole. `kernels`: the folder of kernels of one's own, or nothing."""

    def require_fit(self, case: Case) -> None:
        """Problem where a case cannot be held in memory; that of this machine is asked where a runner does not say."""
        require_fit(case.operation, case.shape)

    def begin(self) -> None:
        """Told before anything else: whatever takes long to start can start now."""

    def build(self, units: Iterable[Unit], progress: Progress, simulates: bool) -> Built:
        """Compiles the units, and the simulator where it is needed."""

    def ceilings(
        self,
        places: Sequence[str],
        seconds: float,
        timeout_s: float,
        take: Callable[[str, Measured | Exception], None],
    ) -> None:
        """Measures what the machines of these ids give; one of FAILURES in place of what cannot be measured."""

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
        Ended. One that got no further may be followed by another, which begins with Began again. The job that `take`
        gets is the one that was done: less what was begun on another machine."""


class ProcessTree(Runner):
    """This process, which holds references and clocks, and workers below it: one case at a time."""

    def devices(self) -> tuple[Device, ...]:
        return ("cuda", "cpu") if gpu_name() else ("cpu",)

    def places(self, backend: str) -> tuple[str, ...]:
        return (backend,)

    def machine(self, id_: str) -> Machine:
        return machine_of(id_)

    def environment(self, kernels: str) -> dict[str, Any]:
        return environment(kernels)

    def begin(self) -> None:
        start_server()

    def build(self, units: Iterable[Unit], progress: Progress, simulates: bool) -> Built:
        return build_all(units, progress, simulates)

    def ceilings(
        self,
        places: Sequence[str],
        seconds: float,
        timeout_s: float,
        take: Callable[[str, Measured | Exception], None],
    ) -> None:
        for device in places:
            try:
                take(device, measure_ceilings(device, seconds, timeout_s))
            except FAILURES as failure:
                take(device, failure)

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
            here = job.done_on("")
            run_case(here, partial(take, here))


def measure_ceilings(device: str, seconds: float, timeout_s: float) -> Measured:
    """What a device of this machine gives, measured in a worker. Raises one of FAILURES where it cannot be."""
    worker = Worker("workbench.sweep.ceilings:Ceilings", device)
    try:
        found: Measured = worker.call("measure", seconds, timeout_s=max(120.0, timeout_s), returns=Measured)
        return found
    finally:
        worker.close()
