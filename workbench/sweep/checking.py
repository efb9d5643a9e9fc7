"""Checks of many variants, each in a worker of its own, several at once; no clock is involved."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.catalog import load_catalog
from workbench.check.case import InputSet, checked_sets
from workbench.check.compare_outputs import Comparison
from workbench.check.examine import ARCH, Verdict
from workbench.compile import Unit
from workbench.declare import Variant, variant_key
from workbench.declared import DeclarationError
from workbench.execute.server_of_workers import start_server
from workbench.execute.side_by_side import side_by_side
from workbench.execute.this_machine import backend_here, gpu_name, why_unsupported
from workbench.execute.worker import Worker, close_all
from workbench.problem import Problem, unknown
from workbench.stdout import kept_clean
from workbench.store.record import Record, Seeds, Status
from workbench.sweep.building import build_all, units_for
from workbench.sweep.progress import Progress
from workbench.sweep.records import Candidate
from workbench.sweep.selection import Selection, cases_of

SIMULATED = "simulated"
BACKENDS = ("cuda", "cpu", SIMULATED)
MEMORY_BYTES = 8 << 30
"""What a simulation may take."""


@dataclass(frozen=True)
class CheckJob:
    """One candidate to evaluate."""

    candidate: Candidate
    input_sets: tuple[InputSet, ...] = ()
    """What to evaluate; every regime of the operation where none is named."""

    def units(self) -> list[Unit]:
        """What it needs compiled."""
        s = self.candidate
        return units_for(s.variant, s.shape, self.archs())

    def archs(self) -> tuple[str, ...]:
        """What its kernels are compiled for; on a GPU the worker compiles for that."""
        return (self.candidate.arch or ARCH,) if self.candidate.backend == SIMULATED else ()


def check_all(selection: Selection, progress: Progress) -> list[Record]:
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
        return _check_all(selection, progress)


def _check_all(selection: Selection, progress: Progress) -> list[Record]:
    catalog = load_catalog(selection.folder)
    jobs: list[CheckJob] = []
    records: list[Record] = []
    for case in cases_of(selection, catalog):
        for variant in case.variants:
            for backend in _backends(variant, selection.devices):
                candidate = Candidate(variant, case.operation, case.shape, backend, Seeds(inputs=selection.seed))
                reason = why_unsupported(variant, case.shape) or _nowhere(variant, selection.devices)
                if reason is not None:
                    records.append(candidate.record(Status.UNSUPPORTED, reason=reason))
                else:
                    jobs.append(CheckJob(candidate))
    return records + check_jobs(jobs, selection.folder, selection.timeout_s, progress)


def check_jobs(
    jobs: list[CheckJob],
    kernels: Path,
    timeout_s: float,
    progress: Progress,
    on_record: Callable[[Record], None] = lambda _: None,
) -> list[Record]:
    """Builds what the jobs need and runs them; a record each, in the order of the jobs. `on_record` gets each as soon
    as it is there."""
    start_server()
    records: list[Record] = []

    def keep(record: Record) -> None:
        records.append(record)
        on_record(record)

    broken: dict[str, str] = {}
    units: list[Unit] = []
    for job in jobs:
        why = job.candidate.broken()
        try:
            units += job.units() if why is None else []
        except DeclarationError as error:  # right at small sizes, and wrong at this one
            why = str(error)
        if why is not None:
            broken[job.candidate.key] = why
    built = build_all(units, progress, any(job.candidate.backend == SIMULATED for job in jobs))
    runnable = []
    for job in jobs:
        s, fault = job.candidate, broken.get(job.candidate.key)
        verdict = (Status.CRASHED, fault) if fault else built.verdict(s.variant, s.shape, job.archs())
        if verdict is not None:
            keep(s.record(verdict[0], reason=verdict[1]))
        else:
            runnable.append(job)
    progress.stage("check", len(runnable))

    def checked(record: Record) -> None:
        progress.step(f"{variant_key(record.operation, record.variant, record.pass_)}: {record.status.value}")
        keep(record)

    run_checks(runnable, kernels, timeout_s, checked)
    order = {job.candidate.key: place for place, job in enumerate(jobs)}
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
    possible = {"cuda": "cuda" in variant.devices, "cpu": "cpu" in variant.devices, SIMULATED: has_kernels(variant)}
    return [backend for backend in asked if possible[backend]]


def has_kernels(variant: Variant) -> bool:
    """Whether there is something to simulate: kernels of its own, and no form that runs on the CPU."""
    return "cuda" in variant.devices and "cpu" not in variant.devices and variant.own_kernels


def run_checks(jobs: list[CheckJob], kernels: Path, timeout_s: float, on_record: Callable[[Record], None]) -> None:
    """Runs every job, one a core (on a GPU one at a time); each record is handed over as soon as it is there."""
    workers: dict[int, Worker] = {}

    def begin(place: int) -> Worker:
        job = jobs[place]
        candidate = job.candidate
        workers[place] = worker = _worker(candidate, kernels)
        input_sets = job.input_sets or all_sets(candidate)
        returns = Verdict if candidate.backend == SIMULATED else Comparison
        return worker.start("check", candidate.shape, candidate.variant.default_settings(), input_sets, returns=returns)

    on_gpu = any(job.candidate.backend == "cuda" for job in jobs)
    begins = [functools.partial(begin, place) for place in range(len(jobs))]
    try:
        for place, found, failure in side_by_side(begins, timeout_s, 1 if on_gpu else None):
            workers.pop(place).close()
            candidate = jobs[place].candidate
            judged = candidate.examined if candidate.backend == SIMULATED else candidate.judged
            on_record(judged(found) if failure is None else candidate.failed(failure))
    finally:
        close_all(workers.values())


def all_sets(candidate: Candidate) -> tuple[InputSet, ...]:
    """Every regime of the operation."""
    seed = candidate.seeds.inputs if candidate.seeds is not None else 0
    operation = candidate.operation
    return (InputSet(operation.regimes[0], 0, run_seed=seed), *checked_sets(operation, seed))


def _worker(candidate: Candidate, kernels: Path) -> Worker:
    if candidate.backend == SIMULATED:
        arch = candidate.arch or ARCH
        return Worker("workbench.check.examine:Examiner", kernels, candidate.variant.key, MEMORY_BYTES, arch)
    return Worker("workbench.check.direct:DirectCheck", kernels, candidate.variant.key, candidate.backend)
