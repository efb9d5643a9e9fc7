"""Checks of many variants, each in a worker of its own, several at once; no clock is involved."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.build import Unit
from workbench.catalog import load_catalog
from workbench.check.case import Draw, checked_draws
from workbench.check.compare_outputs import Comparison
from workbench.check.examine import ARCH, Verdict
from workbench.declare import Variant, variant_key
from workbench.declared import DeclarationError
from workbench.execute.here import backend_here, gpu_name, why_unsupported
from workbench.execute.server_of_workers import start_server
from workbench.execute.side_by_side import side_by_side
from workbench.execute.worker import Worker, close_all
from workbench.problem import Problem, unknown
from workbench.stdout import kept_clean
from workbench.store.record import Record, Status
from workbench.sweep.building import build_all, units_for
from workbench.sweep.records import Subject
from workbench.sweep.selection import Selection, cases_of
from workbench.sweep.watch import Watch

BACKENDS = ("cuda", "cpu", "simulated")
MEMORY_BYTES = 8 << 30
"""What a simulation may take."""


@dataclass(frozen=True)
class CheckJob:
    """One subject to evaluate."""

    subject: Subject
    draws: tuple[Draw, ...] = ()
    """What to evaluate; every regime of the operation where none is named."""

    def units(self) -> list[Unit]:
        """What it needs compiled."""
        s = self.subject
        return units_for(s.variant, s.shape, self.archs())

    def archs(self) -> tuple[str, ...]:
        """What its kernels are compiled for; on a GPU the worker compiles for that."""
        return (ARCH,) if self.subject.backend == "simulated" else ()


def check_all(selection: Selection, watch: Watch) -> list[Record]:
    """Every selected variant at every selected shape, in the way that this machine can: `workbench check`."""
    for device in selection.devices:
        if device == "emulated":
            raise Problem("--device emulated: source emulation has gone; --device simulated executes what is compiled")
        if device not in BACKENDS:
            raise unknown("device", device, BACKENDS)
        if device == "cuda" and gpu_name() is None:
            raise Problem(
                "--device cuda: this machine has no NVIDIA GPU or no driver; --device simulated runs anywhere"
            )
    with kept_clean():
        return _check_all(selection, watch)


def _check_all(selection: Selection, watch: Watch) -> list[Record]:
    catalog = load_catalog(selection.folder)
    jobs: list[CheckJob] = []
    records: list[Record] = []
    for case in cases_of(selection, catalog):
        for variant in case.variants:
            for backend in _backends(variant, selection.devices):
                subject = Subject(variant, case.operation, case.shape, backend)
                reason = why_unsupported(variant, case.shape) or _nowhere(variant, selection.devices)
                if reason is not None:
                    records.append(subject.record(Status.UNSUPPORTED, reason=reason))
                else:
                    jobs.append(CheckJob(subject))
    return records + check_jobs(jobs, selection.folder, selection.timeout_s, watch)


def check_jobs(jobs: list[CheckJob], kernels: Path, timeout_s: float, watch: Watch) -> list[Record]:
    """Builds what the jobs need and runs them; a record each, in the order of the jobs."""
    start_server()
    records: list[Record] = []
    broken: dict[str, str] = {}
    units: list[Unit] = []
    for job in jobs:
        why = job.subject.broken()
        try:
            units += job.units() if why is None else []
        except DeclarationError as error:  # right at small sizes, and wrong at this one
            why = str(error)
        if why is not None:
            broken[job.subject.key] = why
    built = build_all(units, watch, any(job.subject.backend == "simulated" for job in jobs))
    runnable = []
    for job in jobs:
        s, fault = job.subject, broken.get(job.subject.key)
        verdict = (Status.CRASHED, fault) if fault else built.verdict(s.variant, s.shape, job.archs())
        if verdict is not None:
            records.append(s.record(verdict[0], reason=verdict[1]))
        else:
            runnable.append(job)
    watch.stage("check", len(runnable))

    def keep(record: Record) -> None:
        watch.step(f"{variant_key(record.operation, record.variant, record.pass_)}: {record.status.value}")
        records.append(record)

    run_checks(runnable, kernels, timeout_s, keep)
    order = {job.subject.key: place for place, job in enumerate(jobs)}
    return sorted(records, key=lambda r: order[r.key])


def _nowhere(variant: Variant, asked: tuple[str, ...]) -> str | None:
    """Why nothing here can run the variant, where the way was left open; None where something can."""
    backend, why = backend_here(variant)
    return why if backend is None and not asked else None


def _backends(variant: Variant, asked: tuple[str, ...]) -> list[str]:
    """In which of the ways asked for a variant can be checked; the best one here where none was asked for."""
    if not asked:
        backend, _ = backend_here(variant)
        return [backend or variant.devices[0]]
    possible = {"cuda": "cuda" in variant.devices, "cpu": "cpu" in variant.devices, "simulated": has_kernels(variant)}
    return [backend for backend in asked if possible[backend]]


def has_kernels(variant: Variant) -> bool:
    """Whether there is something to simulate: kernels of its own, and no form that runs on the CPU."""
    return "cuda" in variant.devices and "cpu" not in variant.devices and variant.own_kernels


def run_checks(jobs: list[CheckJob], kernels: Path, timeout_s: float, on_record: Callable[[Record], None]) -> None:
    """Runs every job, one a core (on a GPU one at a time); each record is handed over as soon as it is there."""
    workers: dict[int, Worker] = {}

    def begin(place: int) -> Worker:
        job = jobs[place]
        subject = job.subject
        workers[place] = worker = _worker(subject, kernels)
        draws = job.draws or (Draw(subject.operation.regimes[0], 0), *checked_draws(subject.operation))
        returns = Verdict if subject.backend == "simulated" else Comparison
        return worker.start("check", subject.shape, subject.variant.default_settings(), draws, returns=returns)

    on_gpu = any(job.subject.backend == "cuda" for job in jobs)
    begins = [functools.partial(begin, place) for place in range(len(jobs))]
    try:
        for place, found, failure in side_by_side(begins, timeout_s, 1 if on_gpu else None):
            workers.pop(place).close()
            subject = jobs[place].subject
            judged = subject.examined if subject.backend == "simulated" else subject.judged
            on_record(judged(found) if failure is None else subject.failed(failure))
    finally:
        close_all(workers.values())


def _worker(subject: Subject, kernels: Path) -> Worker:
    if subject.backend == "simulated":
        return Worker("workbench.check.examine:ExaminingStation", kernels, subject.variant.key, MEMORY_BYTES)
    return Worker("workbench.check.direct:DirectStation", kernels, subject.variant.key, subject.backend)
