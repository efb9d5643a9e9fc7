"""What the machine code of checked variants does, for each architecture asked for, of those that were simulated."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.catalog import load_catalog
from workbench.check.counting import CountRequest
from workbench.declare import Shape, variant_key
from workbench.devices import for_arch
from workbench.store.record import Record, Status
from workbench.sweep.progress import Progress
from workbench.sweep.selection import Selection, cases_of
from workbench.sweep.simulating import CountJob, MachineCodeCounts, count_all, require_known_gpu, with_counts

MOST = 5_000_000
"""Warp instructions that are executed for one variant at one shape; more are sampled."""


def simulated_ones(records: Sequence[Record]) -> list[Record]:
    """Those whose kernels ran on the simulator, right or wrong."""
    return [r for r in records if r.backend == "simulated" and r.status in (Status.OK, Status.INCORRECT)]


def with_counters(records: Sequence[Record], selection: Selection, progress: Progress) -> list[Record]:
    """The records, those that were simulated with counters for each of the selection's architectures. Raises Problem
    for an architecture that no known GPU has, and where the simulator cannot be compiled here."""
    for arch in selection.archs:
        require_known_gpu(arch)
    wanted = {record.key: record for record in simulated_ones(records)}
    variants = {
        variant.key: (variant, case.operation)
        for case in cases_of(selection, load_catalog(selection.folder))
        for variant in case.variants
    }
    jobs = []
    for record in wanted.values():
        variant, operation = variants[variant_key(record.operation, record.variant, record.pass_)]
        shape = Shape(tuple(record.axes.items()), record.dtype)
        for arch in selection.archs:
            request = CountRequest((shape,), variant.default_settings(), arch, for_arch(arch)[0].name, MOST)
            jobs.append(CountJob(record.key, variant, operation, request))
    found: dict[str, list[MachineCodeCounts]] = {key: [] for key in wanted}
    progress.stage("count", len(jobs))

    def keep(job: CountJob, counted: MachineCodeCounts) -> None:
        found[job.key].append(counted)
        progress.step(f"{job.variant.key}: counted")

    if jobs:
        count_all(jobs, selection.folder, selection.timeout_s, keep)
    order = {arch: place for place, arch in enumerate(selection.archs)}
    return [
        with_counts(record, MachineCodeCounts(simulated=sorted(
            (entry for counted in found[record.key] for entry in counted.simulated),
            key=lambda entry: order[entry.arch],
        ))) if found.get(record.key) else record
        for record in records
    ]  # fmt: skip
