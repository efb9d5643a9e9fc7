"""Does one case: its inputs and references are made once, its variants timed against each other in groups."""

from __future__ import annotations

import functools
from pathlib import Path

import psutil

from workbench.catalog import Catalog, load_catalog
from workbench.check.case import swapped_sets, timed_sets
from workbench.check.case_memory import CaseMemory
from workbench.declare import Operation
from workbench.execute.failures import FAILURES
from workbench.execute.this_machine import why_unsupported
from workbench.execute.worker import Worker
from workbench.problem import Problem
from workbench.store.record import Status
from workbench.sweep.events import Began, Emit, Ended, Recorded, Spread
from workbench.sweep.group import TimedGroup
from workbench.sweep.jobs import CaseJob
from workbench.sweep.memory import checks_at_once, group_size, require_fit
from workbench.sweep.records import Candidate


def run_case(job: CaseJob, emit: Emit) -> None:
    """Times the job's variants here, and tells `emit` of each block of samples as it comes, of a record for every one
    of them, and of the A/A spread where anything was timed. Raises Problem where the case does not fit in memory."""
    emit(Began())
    catalog = _catalog(job.kernels)
    operation = catalog.operation(job.operation_key)
    candidates = []
    for one in job.variants:
        variant = catalog.variant(job.variant_key(one))
        candidate = Candidate(variant, operation, job.shape, job.device, job.seeds)
        unsupported = why_unsupported(variant, job.shape)
        broken = candidate.broken() if unsupported is None else None
        if unsupported is not None:
            emit(Recorded(candidate.record(Status.UNSUPPORTED, reason=unsupported)))
        elif broken is not None:
            emit(Recorded(candidate.record(Status.CRASHED, reason=broken)))
        else:
            candidates.append(candidate)
    if candidates:
        _time(job, operation, candidates, emit)
    emit(Ended())


@functools.lru_cache(maxsize=4)
def _catalog(kernels: Path) -> Catalog:
    """Declarations are imported once in a process; looking for them again would take as long as a short case."""
    return load_catalog(kernels)


def _time(job: CaseJob, operation: Operation, candidates: list[Candidate], emit: Emit) -> None:
    shape, device = job.shape, job.device
    require_fit(operation, shape)
    timed, checked = timed_sets(operation, shape, job.seeds.inputs), job.budget.input_sets(operation, job.seeds.inputs)
    swapped = swapped_sets(operation, timed, checked)
    with CaseMemory(operation, shape, tuple(dict.fromkeys((*timed, *checked, *swapped)))) as memory:
        try:
            write_case(memory, job.kernels, job.timeout_s)
        except Problem as problem:  # the operation's fault: no variant has anything to be held against
            for candidate in candidates:
                emit(Recorded(candidate.record(Status.CRASHED, reason=str(problem))))
            return
        free = psutil.virtual_memory().available if device == "cpu" else _free_device_bytes()
        variants = [candidate.variant for candidate in candidates]
        at_once = 1 if device == "cpu" else checks_at_once(variants, operation, shape, free)
        # One place of each group is the twin's: the variant that runs against itself. In a CPU's memory lies also
        # what each hands over.
        held = len(timed) + (1 if device == "cpu" else 0)
        size = group_size(variants, operation, shape, held, free) - 1
        spreads = []
        for first in range(0, len(candidates), size):
            group = TimedGroup(job, memory, timed, checked, swapped, at_once, emit)
            spreads.append(group.run(candidates[first : first + size]))
        known = [spread for spread in spreads if spread]
        if known:
            emit(Spread(max(known)))


def write_case(memory: CaseMemory, kernels: Path, timeout_s: float) -> None:
    """Makes the inputs and references of a case in a process of its own: the coordinator stays small, and no variant
    has ever run where they are made. Problem where the reference cannot be made."""
    operation = memory.operation
    case = kernels, operation.key, memory.shape, memory.input_sets
    files = (memory.inputs_block.descriptor, memory.references_block.descriptor)
    maker = Worker("workbench.measure.variant_timer:CaseMaker", *case, files=files)
    try:
        # A reference in float64 takes longer than any variant.
        maker.call("write", timeout_s=10 * timeout_s, returns=None)
    except FAILURES as failure:
        raise Problem(f"{operation.key} at {memory.shape}: its reference could not be made: {failure}") from None
    finally:
        maker.close()
    memory.seal()


def _free_device_bytes() -> int:
    worker = Worker("workbench.measure.variant_timer:DeviceMemory")
    try:
        free: int = worker.call("free_bytes", timeout_s=60.0, returns=int)
        return free
    finally:
        worker.close()
