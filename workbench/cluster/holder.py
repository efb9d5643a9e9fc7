"""What a machine of the cluster does for a sweep: the jobs of a local one, telling of them as it goes.

A Ray actor is made from the class here, which knows nothing of Ray: it answers with generators of events.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import queue
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.catalog import BUILTIN, Catalog, load_catalog
from workbench.check.case import InputSet
from workbench.check.counting import CountRequest
from workbench.cluster.connect import TRAVELLED
from workbench.declare import Device, Shape
from workbench.execute.failures import FAILURES
from workbench.execute.server_of_workers import start_server
from workbench.execute.this_machine import default_devices
from workbench.problem import Problem
from workbench.simulate.library import compiled
from workbench.store.record import Machine, Seeds
from workbench.sweep.checking import CheckJob, run_checks
from workbench.sweep.environment import machine_of
from workbench.sweep.jobs import CaseJob
from workbench.sweep.records import Candidate
from workbench.sweep.run_case import run_case
from workbench.sweep.runner import measure_ceilings
from workbench.sweep.simulating import CountJob, MachineCodeCounts, count_all


@dataclass(frozen=True)
class Check:
    """A variant to check, as plain data."""

    variant: str
    """Its key in the catalogue; so is the operation's."""
    operation: str
    shape: Shape
    backend: str
    seeds: Seeds | None
    arch: str
    """That of a simulated machine; empty for no one in particular."""
    input_sets: tuple[InputSet, ...]


@dataclass(frozen=True)
class Count:
    """Machine code to count, as plain data."""

    key: str
    """Of the record."""
    variant: str
    operation: str
    request: CountRequest


@dataclass(frozen=True)
class Greeting:
    """What a machine is."""

    host: str
    machines: dict[str, Machine]
    """By device that can be timed there."""
    versions: dict[str, str]
    """Of Python and the packages that a result depends on."""
    cores: int


COMPARED = ("torch", "numpy", "cuda-core", "nvidia-cuda-nvrtc", "scan-workbench")
"""Packages that are the same on every machine, or what came out differently might come from them."""


def versions_here() -> dict[str, str]:
    """Of Python and of those packages; one that is not installed is absent."""
    found = machine_of("cpu").versions
    return {"python": platform.python_version()} | {name: found[name] for name in COMPARED if name in found}


class Holder:
    """One machine, or one GPU of it, held for a sweep. Does one thing at a time, and meanwhile says what."""

    def __init__(self, own_kernels: bool) -> None:
        """`own_kernels`: whether the sweep is of the folder that travelled here, and not of the built-in kernels."""
        self._kernels = _travelled() if own_kernels else BUILTIN
        self._doing: tuple[str, float] | None = None
        self._done = 0
        self._run = ""
        self._waiting = 0
        # One thread for as long as this lives: the server of workers ends with the thread that has started it.
        self._thread = ThreadPoolExecutor(1)
        self._thread.submit(start_server).result()

    def greet(self) -> Greeting:
        devices: tuple[Device, ...] = ("cuda", "cpu") if default_devices() == ("cuda",) else ("cpu",)
        return Greeting(
            host=socket.gethostname(),
            machines={device: machine_of(device) for device in devices},
            versions=versions_here(),
            cores=len(os.sched_getaffinity(0)),
        )

    def begin(self, run: str, waiting: int) -> None:
        """What `status` tells of the sweep: its run, and how many jobs nobody does yet."""
        self._run, self._waiting = run, waiting

    def status(self) -> dict[str, Any]:
        """What it does, for how long, how much it has done, and how much of its run waits."""
        doing, since = self._doing or ("", time.time())
        return {
            "run": self._run, "doing": doing, "seconds": time.time() - since, "done": self._done,
            "waiting": self._waiting,
        }  # fmt: skip

    def case(self, job: CaseJob) -> Iterator[Any]:
        """Events, and an exception of FAILURES as the last where one ends it."""
        here = dataclasses.replace(job, kernels=self._kernels)
        yield from self._told(f"{job.case} on {job.device}", lambda tell: run_case(here, tell))

    def ceilings(self, device: str, seconds: float, timeout_s: float) -> Iterator[Any]:
        """What was measured, or an exception of FAILURES."""
        yield from self._told(
            f"ceilings of {device}", lambda tell: tell(measure_ceilings(device, seconds, timeout_s))
        )  # fmt: skip

    def check(self, checks: list[Check], timeout_s: float) -> Iterator[Any]:
        """A record for each, in whatever order."""

        def do(tell: Callable[[Any], None]) -> None:
            compiled()  # once, and not within the time that a worker has
            catalog = self._catalog()
            jobs = [CheckJob(candidate_of(catalog, one), one.input_sets) for one in checks]
            run_checks(jobs, self._kernels, timeout_s, tell)

        yield from self._told(f"{len(checks)} checks", do)

    def count(self, counts: list[Count], timeout_s: float) -> Iterator[Any]:
        """The key of a record and what was counted for it, for each, in whatever order."""

        def do(tell: Callable[[Any], None]) -> None:
            catalog = self._catalog()
            jobs = [
                CountJob(one.key, catalog.variant(one.variant), catalog.operation(one.operation), one.request)
                for one in counts
            ]

            def counted(job: CountJob, found: MachineCodeCounts) -> None:
                tell((job.key, found))

            count_all(jobs, self._kernels, timeout_s, counted)

        yield from self._told(f"{len(counts)} counts", do)

    def _catalog(self) -> Catalog:
        return load_catalog(self._kernels)

    def _told(self, what: str, do: Callable[[Callable[[Any], None]], None]) -> Iterator[Any]:
        """What `do` tells, as it does."""
        told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        end = object()

        def run() -> None:
            try:
                do(told.put)
            except FAILURES as failure:
                told.put(failure)
            finally:
                told.put(end)

        self._doing = what, time.time()
        try:
            running = self._thread.submit(run)
            while (event := told.get()) is not end:
                yield event
            running.result()  # raises what nobody foresaw
            self._done += 1
        finally:
            self._doing = None


def candidate_of(catalog: Catalog, one: Check) -> Candidate:
    """As it was before `check_of`."""
    return Candidate(
        catalog.variant(one.variant), catalog.operation(one.operation), one.shape, one.backend, one.seeds,
        one.arch,
    )  # fmt: skip


def _travelled() -> Path:
    """Where the user's own kernels have arrived."""
    for entry in sys.path:
        folder = Path(entry) / TRAVELLED / "kernels"
        if folder.is_dir():
            return folder
    raise Problem(f"{socket.gethostname()}: the folder of kernels has not arrived")


def check_of(job: CheckJob) -> Check:
    """As it travels."""
    c = job.candidate
    return Check(c.variant.key, c.operation.key, c.shape, c.backend, c.seeds, c.arch, job.input_sets)


def count_of(job: CountJob) -> Count:
    """As it travels."""
    return Count(job.key, job.variant.key, job.operation.key, job.request)
