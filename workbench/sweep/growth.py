"""How errors grow with size: one variant of each family of algorithms, over the sizes that the operation names."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import sys
from pathlib import Path

from workbench.catalog import Catalog, load_catalog
from workbench.check.case import InputSet
from workbench.declare import Operation, Shape, Variant
from workbench.execute.this_machine import backend_here, why_unsupported
from workbench.problem import Problem
from workbench.stdout import kept_clean
from workbench.store.new_run import create_run
from workbench.store.record import Record, Run, Seeds
from workbench.store.run_folder import RunFolder
from workbench.sweep.catalogue import slice_of, sources_in
from workbench.sweep.checking import CheckJob, check_jobs
from workbench.sweep.environment import environment, machine_of
from workbench.sweep.progress import Progress
from workbench.sweep.records import Candidate
from workbench.sweep.selection import Selection


def start_growth(selection: Selection, profiles: Path, name: str | None) -> RunFolder:
    """The folder of a new run, without records yet. Problem where no chosen operation declares sizes."""
    with kept_clean():
        jobs = _jobs(selection, load_catalog(selection.folder))
        now = datetime.datetime.now(datetime.UTC)
        run = Run(
            name=name or f"{now:%Y%m%d-%H%M%S}-error-growth",
            created=now.isoformat(timespec="seconds"),
            command=["workbench", *sys.argv[1:]],
            machines=[machine_of(backend) for backend in dict.fromkeys(job.candidate.backend for job in jobs)],
            environment=environment(selection.kernels),
            catalogue=slice_of((job.candidate.operation, job.candidate.variant) for job in jobs),
            selection=dataclasses.replace(selection, is_growth=True).as_dict(),
        )
    return create_run(profiles, run)


def continue_growth(folder: RunFolder, progress: Progress) -> Catalog:
    """Makes the records that the run still lacks, each on disk as soon as it is there, and finishes it: one for each
    family and size. They carry errors, and no times: a family that loses its digits is `incorrect` from the size on
    where it passes the tolerance. Returns the catalogue that it was done with."""
    selection = Selection.from_dict(folder.run.selection)
    catalog = load_catalog(selection.folder)
    done = {record.key for record in folder.records()}
    lacking = [job for job in _jobs(selection, catalog) if job.candidate.key not in done]
    for backend in dict.fromkeys(job.candidate.backend for job in lacking):  # it may go on elsewhere
        if backend not in {machine.id for machine in folder.run.machines}:
            folder.update(machines=[*folder.run.machines, machine_of(backend)])

    def keep(record: Record) -> None:
        folder.append(record.model_copy(update={"sources": sources_in(folder.run.catalogue, record)}))

    check_jobs(lacking, selection.folder, selection.timeout_s, progress, keep)
    folder.finish()
    return catalog


def _jobs(selection: Selection, catalog: Catalog) -> list[CheckJob]:
    chosen = catalog.select(selection.operations, selection.variants, selection.passes)
    growing = [op for op in catalog.each_operation() if op.growth and any(v.operation_key == op.key for v in chosen)]
    if not growing:
        known = [op.key for op in catalog.each_operation() if op.growth]
        raise Problem(f"--error-growth: no chosen operation declares sizes for it; those that do: {', '.join(known)}")
    jobs = []
    for operation in growing:
        variants = [v for v in chosen if v.operation_key == operation.key]
        families = variants if selection.variants else _one_of_each_family(operation, variants)
        for variant, shape in itertools.product(families, _shapes(operation, selection)):
            backend, _ = backend_here(variant)
            if backend is not None and why_unsupported(variant, shape) is None:
                # Saturated inputs say nothing of growth: every state forgets all that came before it, or nothing.
                input_sets = tuple(InputSet(regime, 0, run_seed=selection.seed) for regime in operation.regimes[:2])
                jobs.append(
                    CheckJob(Candidate(variant, operation, shape, backend, Seeds(inputs=selection.seed)), input_sets)
                )
    return jobs


def _one_of_each_family(operation: Operation, variants: list[Variant]) -> list[Variant]:
    """The highest rung of each family: what somebody would use of it."""
    best: dict[str, Variant] = {}
    for variant in variants:
        best[variant.factors.get(operation.growth_factor, variant.name)] = variant
    return list(best.values())


def _shapes(operation: Operation, selection: Selection) -> list[Shape]:
    """The sizes that the operation declares, those of the selection in their place."""
    asked = dict(selection.axes)
    sizes = [asked.get(axis, operation.growth[axis]) for axis in operation.axes]
    return [
        Shape(tuple(zip(operation.axes, combination, strict=True)), operation.dtypes[0])
        for combination in itertools.product(*sizes)
    ]
