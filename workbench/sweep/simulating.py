"""CUDA variants whose machine code is executed on the host and counted: a worker each, several at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from workbench.check.counting import CountRequest
from workbench.declare import Operation, Shape, Variant
from workbench.devices import first_for_arch, for_arch
from workbench.execute.side_by_side import side_by_side
from workbench.execute.worker import Worker, close_all
from workbench.simulate.library import compiled
from workbench.store.record import ExecutedCode, Frozen, Record, Simulated
from workbench.sweep.selection import Case

MEMORY_BYTES = 4 << 30
"""What a worker may take beside what it has when it begins."""
MOST_SHAPES = 4
"""Of a variant and a dtype; where more are swept, these are spread over them."""


class MachineCodeCounts(Frozen):
    """What a record gets."""

    simulated: list[Simulated]
    executed: list[ExecutedCode] = Field(default_factory=list)


@dataclass(frozen=True)
class CountJob:
    """One variant to count for one record."""

    key: str
    """Of the record."""
    variant: Variant
    operation: Operation
    request: CountRequest

    def failed(self, why: Exception) -> MachineCodeCounts:
        """What its record says where nothing could be counted."""
        r = self.request
        entries = [
            Simulated(arch=r.arch, gpu=r.gpu, swept=s.as_dict(), axes=s.as_dict(), settings=r.settings, reason=str(why))
            for s in r.shapes
        ]  # fmt: skip
        return MachineCodeCounts(simulated=entries)


def require_known_gpu(arch: str) -> None:
    """Problem for an architecture that no known GPU has: its caches cannot be modelled."""
    first_for_arch(arch)


def job_for(
    key: str, variant: Variant, operation: Operation, dtype: str, cases: Iterable[Case], arch: str, most: int
) -> CountJob | None:
    """The job of a record: at the shapes that are swept, for the first device of the data file that has the
    architecture. None where the variant takes part in none of them, or no such device is known. `most`: warp
    instructions."""
    devices = for_arch(arch)
    swept = [case.shape for case in cases if case.operation.key == operation.key and variant in case.variants]
    shapes = _spread([s for s in swept if s.dtype == dtype and variant.supports(s) is None])
    if not devices or not shapes:
        return None
    request = CountRequest(
        tuple(shapes), variant.default_settings(), arch, devices[0].name, most // len(shapes)
    )  # fmt: skip
    return CountJob(key, variant, operation, request)


def _spread(shapes: Sequence[Shape]) -> list[Shape]:
    """The first and the last, and those between in even steps."""
    if len(shapes) <= MOST_SHAPES:
        return list(shapes)
    return [shapes[round(k * (len(shapes) - 1) / (MOST_SHAPES - 1))] for k in range(MOST_SHAPES)]


def count_all(
    jobs: Sequence[CountJob], kernels: Path, timeout_s: float, on_counted: Callable[[CountJob, MachineCodeCounts], None]
) -> None:
    """Counts every job; what each gives is handed over as soon as it is there. Whatever happens to one costs that one
    alone. Problem where the simulator cannot be compiled here."""
    compiled()  # once, and not within the time that a worker has
    workers: dict[int, Worker] = {}

    def begin(place: int) -> Worker:
        job = jobs[place]
        worker = Worker("workbench.check.counting:MachineCodeCounter", kernels, job.variant.key, MEMORY_BYTES)
        workers[place] = worker
        return worker.start("count", job.request, returns=MachineCodeCounts)

    try:
        for place, found, failure in side_by_side([functools.partial(begin, k) for k in range(len(jobs))], timeout_s):
            workers.pop(place).close()
            job = jobs[place]
            on_counted(job, found if failure is None else job.failed(failure))
    finally:
        close_all(workers.values())


def with_counts(record: Record, counted: MachineCodeCounts | None) -> Record:
    """The record as it is stored."""
    update = {} if counted is None else {"simulated": counted.simulated, "executed": counted.executed}
    return record.model_copy(update=update)
