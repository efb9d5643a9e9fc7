"""Checks of many variants, each in a worker of its own, several at once; no clock is involved."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from workbench.catalog import load_catalog
from workbench.check.case import Draw, checked_draws
from workbench.check.compare_outputs import Comparison
from workbench.declare import Operation, Setting, Shape, Variant
from workbench.execute.here import backend_here, device_name, gpu_name, missing_requirement
from workbench.execute.host_memory import GuardBroken
from workbench.execute.worker import Worker, WorkerCrashed, WorkerTimeout, start_server
from workbench.problem import Problem, unknown
from workbench.store.record import BuildFact, Record, Status
from workbench.sweep.building import build_all, units_for
from workbench.sweep.records import make_record
from workbench.sweep.selection import Selection, cases_of
from workbench.sweep.watch import Watch

FAILURES = (WorkerCrashed, WorkerTimeout, GuardBroken, Problem)
BACKENDS = ("cuda", "cpu", "emulated")


@dataclass(frozen=True)
class CheckJob:
    """One variant to evaluate at one shape, in one way."""

    variant: Variant
    operation: Operation
    shape: Shape
    backend: str
    build: tuple[BuildFact, ...] = ()
    draws: tuple[Draw, ...] = field(default=())
    """What to evaluate; every regime of the operation where none is named."""

    @property
    def settings(self) -> dict[str, Setting]:
        return self.variant.default_settings()

    def record(self, status: Status, **fields: Any) -> Record:
        device = "emulated" if self.backend == "emulated" else device_name(self.backend)
        return make_record(
            self.variant, self.operation, self.shape, self.backend, device, status, build=list(self.build), **fields
        )


def check_all(selection: Selection, watch: Watch) -> list[Record]:
    """Every selected variant at every selected shape, in the way that this machine can: `workbench check`."""
    for device in selection.devices:
        if device not in BACKENDS:
            raise unknown("device", device, BACKENDS)
        if device == "cuda" and gpu_name() is None:
            raise Problem("--device cuda: this machine has no NVIDIA GPU or no driver; --device emulated runs anywhere")
    catalog = load_catalog(Path(selection.kernels))
    jobs: list[CheckJob] = []
    records: list[Record] = []
    for case in cases_of(selection, catalog):
        for variant in case.variants:
            for backend in _backends(variant, selection.devices):
                job = CheckJob(variant, case.operation, case.shape, backend)
                reason = missing_requirement(variant) or variant.supports(case.shape)
                if reason is not None:
                    records.append(job.record(Status.UNSUPPORTED, reason=reason))
                else:
                    jobs.append(job)
    return records + check_jobs(jobs, Path(selection.kernels), selection.timeout_s, watch)


def check_jobs(jobs: list[CheckJob], kernels: Path, timeout_s: float, watch: Watch) -> list[Record]:
    """Builds what the jobs need and runs them; a record each, in the order of the jobs."""
    start_server()
    records: list[Record] = []
    built = build_all(
        [unit for job in jobs for unit in units_for(job.variant, job.shape, (), job.backend == "emulated")], watch
    )
    runnable = list(jobs)
    for job in jobs:
        broken = built.failure(units_for(job.variant, job.shape, (), job.backend == "emulated"))
        if broken is not None:
            records.append(job.record(Status.COMPILE_ERROR, reason=broken.message))
            runnable.remove(job)
    watch.stage("check", len(runnable))

    def keep(record: Record) -> None:
        watch.step(f"{record.operation}/{record.variant}: {record.status.value}")
        records.append(record)

    run_checks(runnable, kernels, timeout_s, keep)
    order = {job.record(Status.SKIPPED).key: place for place, job in enumerate(jobs)}
    return sorted(records, key=lambda r: order[r.key])


def _backends(variant: Variant, asked: tuple[str, ...]) -> list[str]:
    """In which of the ways asked for a variant can be checked; the best one here where none was asked for."""
    if not asked:
        backend, _ = backend_here(variant)
        return [backend or "cpu"]
    possible = {"cuda": "cuda" in variant.devices, "cpu": "cpu" in variant.devices, "emulated": _has_kernels(variant)}
    return [backend for backend in asked if possible[backend]]


def _has_kernels(variant: Variant) -> bool:
    return "cuda" in variant.devices and "cpu" not in variant.devices


def run_checks(jobs: list[CheckJob], kernels: Path, timeout_s: float, on_record: Callable[[Record], None]) -> None:
    """Runs every job, one a core (on a GPU one at a time); each record is handed over as soon as it is there."""
    waiting = list(reversed(jobs))
    running: dict[Any, tuple[CheckJob, Worker]] = {}
    slots = 1 if any(job.backend == "cuda" for job in jobs) else len(os.sched_getaffinity(0))
    try:
        while waiting or running:
            while waiting and len(running) < slots:
                job = waiting.pop()
                worker = _worker(job, kernels)
                try:
                    draws = job.draws or (Draw(job.operation.regimes[0], 0), *checked_draws(job.operation))
                    worker.start("check", job.shape, job.settings, draws)
                except FAILURES as failure:
                    worker.close()
                    on_record(_failed(job, failure))
                    continue
                running[worker.connection] = (job, worker)
            ready = wait(list(running), timeout=timeout_s)
            for connection in ready or list(running):
                job, worker = running.pop(connection)
                try:
                    record = _judged(job, worker.finish(timeout_s if ready else 0.0))
                except FAILURES as failure:
                    record = _failed(job, failure)
                finally:
                    worker.close()
                on_record(record)
    finally:
        for _, worker in running.values():
            worker.close()


def _worker(job: CheckJob, kernels: Path) -> Worker:
    if job.backend == "emulated":
        return Worker("workbench.check.emulated:EmulatedStation", kernels, job.variant.key)
    return Worker("workbench.check.direct:DirectStation", kernels, job.variant.key, job.backend)


def _judged(job: CheckJob, found: Comparison) -> Record:
    bound = job.operation.tolerance[job.shape.dtype]
    right = found.relative_l2 <= bound
    return job.record(
        Status.OK if right else Status.INCORRECT,
        reason=None if right else found.reason,
        error=found.measure(bound),
    )


def _failed(job: CheckJob, failure: Exception) -> Record:
    text = str(failure)
    if isinstance(failure, WorkerTimeout):
        status = Status.TIMEOUT
    elif isinstance(failure, GuardBroken) or "EmulationFault" in text:
        status = Status.INCORRECT
    elif isinstance(failure, Problem):
        status = Status.COMPILE_ERROR
    else:
        status = Status.CRASHED
    return job.record(status, reason=text)
