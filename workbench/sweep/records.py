"""Records as a sweep writes them: who, where, at what shape, what the variant declares, and how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from workbench.check.compare_outputs import Comparison
from workbench.check.examine import Verdict
from workbench.compile import HOST, unit_of
from workbench.declare import Cost, Operation, Setting, Shape, Variant
from workbench.declared import DeclarationError, fault_of
from workbench.execute.bound import Violation
from workbench.execute.failures import LacksModule, WorkerTimeout
from workbench.problem import Problem, SourceError, installing
from workbench.steps import distinct_sources
from workbench.store.record import Record, Seeds, Status, Work
from workbench.sweep.selection import small_shape


def record_key(variant: Variant, shape: Shape, regime: str, machine: str) -> str:
    """Unique within a run, in [a-z0-9_.-]: `scan.serial.b4-t4096-h1024.float32.normal.forward.cuda`."""
    axes = "-".join(f"{axis}{size}" for axis, size in shape.axes)
    parts = (variant.operation, variant.name, axes, shape.dtype, regime, variant.pass_, machine)
    return re.sub(r"[^a-z0-9_.-]", "_", ".".join(parts).lower())


def simulated_machine(arch: str) -> str:
    """The id of the machine that stands for a simulated architecture."""
    return f"simulated-{arch}"


@dataclass(frozen=True)
class Candidate:
    """One variant at one shape on one backend: what a record is about."""

    variant: Variant
    operation: Operation
    shape: Shape
    backend: str
    seeds: Seeds | None = None
    """Those of the run; None where nothing was drawn at random."""
    arch: str = ""
    """The architecture that is simulated, where a sweep simulates several; they are machines of their own."""

    @property
    def key(self) -> str:
        return record_key(self.variant, self.shape, self.operation.regimes[0], self.machine)

    @property
    def machine(self) -> str:
        """The id of its machine in the run's table. Of a kind a sweep has one (environment.machine_of), but for
        architectures that are simulated."""
        return simulated_machine(self.arch) if self.arch else self.backend

    def record(self, status: Status, settings: dict[str, Setting] | None = None, **fields: Any) -> Record:
        """A record with the declared cost filled in; `fields` are the rest."""
        chosen = self.variant.default_settings() if settings is None else settings
        cost, least = self._declared(chosen)
        return Record(
            key=self.key,
            operation=self.variant.operation,
            variant=self.variant.name,
            pass_=self.variant.pass_,
            factors=dict(self.variant.factors),
            settings=dict(chosen),
            axes=self.shape.as_dict(),
            dtype=self.shape.dtype,
            regime=self.operation.regimes[0],
            machine=self.machine,
            backend=self.backend,
            status=status,
            declared=_work(cost),
            least=_work(least),
            seeds=self.seeds,
            **fields,
        )

    def _declared(self, settings: dict[str, Setting]) -> tuple[Cost | None, Cost | None]:
        """What variant and operation declare to move and do; None where that is what is wrong with them."""
        cost = least = None
        with contextlib.suppress(DeclarationError):
            least = self.operation.least(self.shape)
            if self.variant.supports(self.shape) is None:
                cost = self.variant.cost(self.shape, settings)
        return cost, least

    def broken(self) -> str | None:
        """What is wrong with the declarations, as far as they can be looked at without running anything."""
        return fault_of(self.variant, self.operation, self.shape)

    def judged(self, found: Comparison, settings: dict[str, Setting] | None = None, **fields: Any) -> Record:
        """`ok` with `fields` where the comparison is within the tolerance, else `incorrect` with its reason alone."""
        error = found.measure()
        if found.right:
            return self.record(Status.OK, settings, error=error, **fields)
        return self.record(Status.INCORRECT, settings, error=error, reason=found.reason + self._sources(found.reason))

    def examined(self, found: Verdict) -> Record:
        """`ok` where nothing was found and the results are right, else `incorrect` with the first finding."""
        error = found.comparison.measure() if found.comparison is not None else None
        if found.right:
            return self.record(Status.OK, error=error)
        return self.record(Status.INCORRECT, error=error, reason=found.reason + self._sources(found.reason))

    def _sources(self, reason: str) -> str:
        """The files in which whatever is wrong with the answer stands, for the end of a reason that names none."""
        small = small_shape(self.operation, self.shape.dtype)
        with contextlib.suppress(DeclarationError):
            steps = distinct_sources(self.variant.plan(small, self.variant.default_settings()))
            sources = dict.fromkeys(unit_of(step, self.shape.dtype, HOST).source.name for step in steps)
            if sources and not any(name in reason for name in sources):
                return f" (in {', '.join(sources)})"
        return ""

    def implausible(self, found: Comparison, reason: str, settings: dict[str, Setting]) -> Record:
        """The record of a variant whose answers are right, and whose time cannot be."""
        return self.record(Status.IMPLAUSIBLE, settings, error=found.measure(), reason=reason)

    def failed(self, failure: Exception, settings: dict[str, Setting] | None = None) -> Record:
        """The record of a variant whose worker said no, crashed, hung, or did what no right one does."""
        text = str(failure)
        if isinstance(failure, WorkerTimeout):
            status = Status.TIMEOUT
        elif isinstance(failure, Violation):
            status = Status.INCORRECT
        elif isinstance(failure, SourceError):
            status = Status.COMPILE_ERROR
        elif isinstance(failure, LacksModule):
            status, package = Status.UNSUPPORTED, failure.module.partition(".")[0]
            text = f"needs {package}: {installing(f'pip install {package}')}"
        elif self.backend == "simulated" and type(failure) is Problem:
            status = Status.UNSUPPORTED
            text = f"compiles for a GPU; cannot be executed without one: {text}"
        else:
            status = Status.CRASHED
        return self.record(status, settings, reason=text)


def _work(cost: Cost | None) -> Work:
    return Work(**dataclasses.asdict(cost)) if cost is not None else Work()
