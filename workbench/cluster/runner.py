"""A sweep's jobs on the machines of a cluster. Builds are the coordinator's; machines compile what they run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from workbench.catalog import BUILTIN
from workbench.cluster.dispatch import Dispatch, Task
from workbench.cluster.holder import Holder, check_of, count_of
from workbench.cluster.places import Place, Places, devices_there
from workbench.compile import Unit
from workbench.declare import Device
from workbench.measure.ceilings import Measured
from workbench.problem import Problem
from workbench.store.record import Machine, Record
from workbench.sweep.building import Built, build_all
from workbench.sweep.checking import CheckJob
from workbench.sweep.environment import environment, machine_of
from workbench.sweep.events import Began, Ended, Event, Recorded, Step
from workbench.sweep.jobs import CaseJob
from workbench.sweep.progress import Progress
from workbench.sweep.runner import Runner
from workbench.sweep.simulating import CountJob, MachineCodeCounts

SIMULATED = "simulated"
"""Machine and backend of what is executed by the simulator, wherever that runs: no clock is involved."""


class ClusterRunner(Runner):
    """Needs a Ray that is connected (connect.py) for as long as it lives."""

    place = "the cluster"

    def __init__(
        self,
        kernels: Path,
        devices: Sequence[str] = (),
        on: tuple[str, ...] = (),
        known: Iterable[Machine] = (),
        holder: type[Any] = Holder,
    ) -> None:
        """`devices`: where cases are timed; the cluster's GPUs, else its processors, where none is named. `on`: kinds
        of machines. `known`: those of a run that goes on."""
        self.run = ""
        """Its name, for `workbench cluster status`."""
        self._ceilings: dict[str, Mapping[str, float]] = {machine.id: machine.ceilings for machine in known}
        timed = tuple(device for device in devices if device != SIMULATED)  # which any machine does
        self._places = Places(timed or devices_there()[:1], on, kernels != BUILTIN, holder)

    def __enter__(self) -> ClusterRunner:
        self._places.gather()
        return self

    def __exit__(self, *_: object) -> None:
        self._places.close()

    def devices(self) -> tuple[Device, ...]:
        held = {device for place in self._places.ready for device in place.ids}
        return ("cuda", "cpu") if held >= {"cuda", "cpu"} else ("cuda",) if "cuda" in held else ("cpu",)

    def places(self, backend: str) -> tuple[str, ...]:
        if backend == SIMULATED:
            return (SIMULATED,)
        return tuple(place.ids[backend] for place in self._places.ready if backend in place.ids)

    def machine(self, id_: str) -> Machine:
        for place in self._places.ready:
            for device, own in place.ids.items():
                if own == id_:
                    return place.machine(device)
        return machine_of(SIMULATED) if id_ == SIMULATED else Machine(id=id_, name=id_)

    def environment(self, kernels: str) -> dict[str, Any]:
        return {**environment(kernels), "cluster": [place.name for place in self._places.ready]}

    def begin(self) -> None:
        pass

    def build(self, units: Iterable[Unit], progress: Progress, simulates: bool) -> Built:
        self._places.progress = progress
        return build_all(units, progress)

    def ceilings(
        self,
        places: Sequence[str],
        seconds: float,
        timeout_s: float,
        take: Callable[[str, Measured | Exception], None],
    ) -> None:
        left = set(places)

        def task(id_: str) -> Task:
            device = id_.partition("@")[0]

            def told(place: Place, attempt: int, found: Measured | Exception) -> bool:
                left.discard(id_)
                if isinstance(found, Measured):
                    self._ceilings[id_] = found.rates
                take(id_, found)
                return True

            return Task(
                f"ceilings of {id_}", lambda place: ("ceilings", (device, seconds, timeout_s)), told,
                lambda place: id_ in place.ids.values(),
            )  # fmt: skip

        self._do([task(id_) for id_ in places])
        for id_ in left:
            take(id_, Problem("its machine was lost"))

    def count(
        self,
        jobs: Sequence[CountJob],
        kernels: Path,
        timeout_s: float,
        take: Callable[[CountJob, MachineCodeCounts], None],
    ) -> None:
        by_key = {job.key: job for job in jobs}

        def told(found: tuple[str, MachineCodeCounts]) -> str:
            take(by_key[found[0]], found[1])
            return found[0]

        self._in_batches("count", {job.key: count_of(job) for job in jobs}, timeout_s, told)

    def check(self, jobs: Sequence[CheckJob], kernels: Path, timeout_s: float, take: Callable[[Record], None]) -> None:
        def told(record: Record) -> str:
            take(record)
            return record.key

        self._in_batches("check", {job.candidate.key: check_of(job) for job in jobs}, timeout_s, told)

    def time(self, jobs: Sequence[CaseJob], take: Callable[[CaseJob, Event], None]) -> None:
        self._do([self._timing(job, take) for job in jobs])

    # ------------------------------------------------------------------------------------------------ tasks

    def _do(self, tasks: Sequence[Task]) -> None:
        Dispatch(self._places, tasks, self.run).do_all()

    def _timing(self, job: CaseJob, take: Callable[[CaseJob, Event], None]) -> Task:
        def here(place: Place) -> CaseJob:
            own = place.ids[job.device]
            return dataclasses.replace(job.done_on(own), ceilings=dict(self._ceilings.get(own, {})))

        def told(place: Place, attempt: int, event: Any) -> bool:
            if isinstance(event, Exception):
                raise Problem(f"{place.name}: {event}") from None
            take(here(place), _marked(event, place, job.device, attempt))
            return isinstance(event, Ended)

        return Task(
            f"{job.case} on {job.device}", lambda place: ("case", (here(place),)), told,
            lambda place: job.device in place.ids, job.machine,
        )  # fmt: skip

    def _in_batches(self, method: str, jobs: Mapping[str, Any], timeout_s: float, told: Callable[[Any], str]) -> None:
        """As many jobs at once as a machine has cores. `told` takes an answer and returns the key of its job."""
        cores = max((place.greeting.cores for place in self._places.ready if place.greeting is not None), default=1)
        keys = list(jobs)
        batches = [dict.fromkeys(keys[first : first + cores]) for first in range(0, len(keys), cores)]

        def take(batch: dict[str, None], place: Place, attempt: int, answer: Any) -> bool:
            if isinstance(answer, Exception):
                raise Problem(f"{place.name}: {answer}") from None
            batch.pop(told(answer), None)
            return not batch

        def call(batch: dict[str, None], place: Place) -> tuple[str, tuple[Any, ...]]:
            return method, ([jobs[key] for key in batch], timeout_s)

        self._do(
            [
                Task(f"{len(batch)} to {method}", partial(call, batch), partial(take, batch), lambda place: True)
                for batch in batches
            ]
        )


def _marked(event: Event, place: Place, device: str, attempt: int) -> Event:
    """The event with its machine and attempt."""
    match event:
        case Began():
            return Began(place.machine(device))
        case Recorded():
            fields = {"machine": place.ids[device], "attempt": attempt}
            return Recorded(event.record.model_copy(update=fields))
        case Step():
            return Step(f"{place.name}: {event.text}", event.parts)
    return event
