"""What a worker process does for one variant at one shape: evaluates it, times it, hands over what it left.

It judges nothing: whether an answer is right and a time can be believed is found by the coordinator, from
outputs that lie in a block of shared memory and from its own clock. Clocks and their methods are bound when this
module is imported, which the server of workers does before any variant is.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from workbench.catalog import load_catalog
from workbench.check.case import InputSet
from workbench.check.case_memory import CaseInputs, answer_layout, write_case
from workbench.declare import Device, Operation, Setting, Shape
from workbench.execute.arithmetic import arithmetic
from workbench.execute.bound import Violation
from workbench.execute.load import load
from workbench.execute.ranges import marked
from workbench.execute.sealed import write_view
from workbench.measure.clock_cpu import CpuClock
from workbench.measure.clock_cuda import CudaClock
from workbench.measure.observer import around, observers_here
from workbench.measure.surroundings import Surroundings
from workbench.steps import launches_of


@dataclass(frozen=True)
class Assignment:
    """Everything a VariantTimer needs to know; it travels to the worker process."""

    key: str
    """The record's, which names the NVTX range of every evaluation."""
    kernels: Path
    variant: str
    shape: Shape
    device: Device
    input_sets: tuple[InputSet, ...]
    """All of the case, in the order in which they lie in its memory: the timed ones first."""
    timed: int
    """How many of them are timed."""


@dataclass(frozen=True)
class Trial:
    """A single evaluation on inputs that the variant does not expect, in the buffers that it knows."""

    kind: Literal["given", "rolled", "again"]
    """The inputs of another set; those of its own, rolled; or those that the last trial has left, once more."""
    set: int
    """Whose buffers and outputs it is about."""
    number: int = 0
    """Of the set among the assignment's, or how far to roll."""


@dataclass(frozen=True)
class Block:
    """Samples, and how they came about."""

    samples_s: list[float]
    repeats: int
    """Evaluations in each sample."""
    surroundings: Surroundings
    """What else the machine did meanwhile."""
    flushing_s: float = 0.0
    """Time that went into flushing caches between evaluations."""


@dataclass(frozen=True)
class Facts:
    """Which timer, which cache state, and the clock the samples ran at."""

    timer: str
    cache: str
    clock_hz: float | None
    working_set_bytes: int | None
    """Of one set of tensors: what an evaluation touches, its scratch aside. None on a GPU."""


class VariantTimer:
    """Lives in the worker process. Bound memory of the chosen settings stays between calls."""

    def __init__(self, assignment: Assignment, inputs: int, answer: int) -> None:
        """`inputs`: descriptor of the case's inputs; `answer`: of the block that takes what is handed over."""
        self._assignment = assignment
        catalog = load_catalog(assignment.kernels)
        self._variant = catalog.variant(assignment.variant)
        self._operation = catalog.operation_of(self._variant)
        self._inputs = CaseInputs(self._operation, assignment.shape, assignment.input_sets, inputs)
        self._layout = answer_layout(self._operation, assignment.shape)
        self._answer = write_view(answer)
        self._settings: dict[str, Setting] = {}
        self._bound: Any = None
        self._clock: Any = None
        self._arithmetic = arithmetic()
        self._observers = observers_here(assignment.device)

    def prepare(self, settings: dict[str, Setting]) -> None:
        """Binds the timed sets with these settings and hands over what comes out for the first. The others differ in
        their values alone; they are all looked at once they have been timed, and only then does a time count."""
        self.bind(settings)
        self._evaluate(self._bound)

    def bind(self, settings: dict[str, Setting]) -> None:
        """Binds the timed sets with these settings, every output poisoned."""
        if self._bound is not None:
            self._bound.close()
        a = self._assignment
        self._bound, self._settings = self._bind(settings, a.input_sets[: a.timed]), dict(settings)
        for index in range(a.timed):
            self._bound.poison(index)
        self._clock = self._new_clock()

    def evaluate(self, settings: dict[str, Setting], number: int) -> None:
        """Evaluates a set in memory of its own and hands over what comes out."""
        bound = self._bind(settings, (self._assignment.input_sets[number],))
        try:
            self._evaluate(bound)
        finally:
            bound.close()

    def warm_up(self, seconds: float) -> float:
        """Warms the settings bound; the median time of an evaluation."""
        self._clock.warm_up(seconds)
        samples = sorted(self._clock.samples(seconds))
        return float(samples[len(samples) // 2])

    def samples(self, seconds: float, trial: Trial | None = None) -> Block:
        """One block of samples, after evaluations that bring this process's data back to where it was. A trial goes
        the same way, which a variant cannot tell from the other: one evaluation alone, whose outputs are handed over at
        once where there is a reference for them."""
        clock = self._clock
        repeats = clock.repeats
        if trial is None:
            clock.settle()
        else:
            seconds, repeats = 0.0, 1
            self._load(trial)
        sample = _SAMPLES[self._assignment.device]
        flushed_s = self._flushed_s()
        taken, surroundings = around(lambda: sample(clock, seconds, repeats), self._observers)
        if trial is not None and trial.kind == "given":
            self._put(self._bound.outputs(trial.set))
        return Block(taken, repeats, surroundings, self._flushed_s() - flushed_s)

    def hot_samples(self, seconds: float) -> Block:
        """One block of samples of the first set, evaluated over and over, with what it touches in the caches."""
        clock = self._clock
        clock.settle()
        taken, surroundings = around(lambda: _HOT_SAMPLES(clock, seconds))
        return Block(taken, clock.hot_repeats, surroundings)

    def _flushed_s(self) -> float:
        return float(getattr(self._clock, "flushing_s", 0.0))

    def hand_over(self, index: int) -> None:
        """What the last evaluation of a timed set has left: its outputs, and its inputs too. What is worked on in place
        has been gone over many times by then: it is evaluated once more, on the values given."""
        if any(t.role == "in_place" for t in self._operation.tensors(self._assignment.shape)):
            self._bound.poison(index)
            self._bound.run(index)
        self._put({**self._bound.outputs(index), **self._bound.inputs(index)})

    def facts(self) -> Facts:
        on_cpu = self._assignment.device == "cpu"
        own = self._working_set_bytes() if on_cpu else None
        return Facts(self._clock.timer, self._clock.cache, self._clock.clock_hz(), own)

    def _working_set_bytes(self) -> int:
        return working_set_bytes(self._operation, self._assignment.shape)

    def _new_clock(self) -> CpuClock | CudaClock:
        if self._assignment.device == "cuda":
            plan = self._variant.plan(self._assignment.shape, self._settings)
            return CudaClock(self._bound, 1 if plan.graph else launches_of(plan), marked(self._assignment.key))
        return CpuClock(self._bound, marked(self._assignment.key), self._working_set_bytes())

    def _bind(self, settings: dict[str, Setting], input_sets: tuple[InputSet, ...]) -> Any:
        a = self._assignment
        plan = self._variant.plan(a.shape, settings)
        tensors = self._operation.tensors(a.shape)
        return load(plan, tensors, [self._inputs.of(input_set) for input_set in input_sets], a.shape.dtype, a.device)

    def _evaluate(self, bound: Any) -> None:
        bound.poison(0)
        bound.run(0)
        self._put(bound.outputs(0))

    def _load(self, trial: Trial) -> None:
        """The inputs that a trial is about, in the buffers of its set, which comes next."""
        input_sets = self._assignment.input_sets
        self._clock.next = trial.set
        if trial.kind == "given":
            self._bound.load(self._inputs.of(input_sets[trial.number]), trial.set)
        elif trial.kind == "rolled":
            own = self._inputs.of(input_sets[trial.set])
            self._bound.load({name: _rolled(array, trial.number) for name, array in own.items()}, trial.set)

    def _put(self, arrays: dict[str, Any]) -> None:
        """Writes arrays to the shared block, where the coordinator finds them. Raises Violation for one that is not as
        declared, and where the variant has left this thread computing otherwise than it did."""
        changed = [word for word in arithmetic() if word not in self._arithmetic]
        if changed:
            raise Violation(f"after an evaluation the processor {' and '.join(changed)}: set it back")
        for name, array in arrays.items():
            place = self._layout.array(self._answer, name)
            if array.shape != place.shape or array.dtype != place.dtype:
                raise Violation(
                    f"{name}: shape {array.shape} of {array.dtype} instead of {place.shape} of {place.dtype}"
                )
            place[...] = array


_SAMPLES: dict[Device, Any] = {"cpu": CpuClock.samples, "cuda": CudaClock.samples}
_HOT_SAMPLES = CpuClock.hot_samples


def working_set_bytes(operation: Operation, shape: Shape) -> int:
    """Bytes of the operation's own tensors: what any variant touches of one set."""
    return sum(tensor.nbytes for tensor in operation.tensors(shape))


def _rolled(array: Any, by: int) -> Any:
    """Floating-point values moved to other places: as likely as before, and never seen. Integers may be indices, whose
    places matter."""
    if not np.issubdtype(np.float32 if array.dtype.kind == "V" else array.dtype, np.floating):
        return array
    return np.roll(array.reshape(-1), by).reshape(array.shape)


class CaseMaker:
    """Writes a case's inputs and references in a worker, so that the coordinator stays small."""

    def __init__(
        self,
        kernels: Path,
        operation: str,
        shape: Shape,
        input_sets: tuple[InputSet, ...],
        inputs: int,
        references: int,
    ) -> None:
        keep_freed_memory()
        self._operation = load_catalog(kernels).operation(operation)
        self._case = shape, input_sets, inputs, references

    def write(self) -> None:
        write_case(self._operation, *self._case)


M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Of mallopt(3)."""


def keep_freed_memory() -> None:
    """Has glibc give this process's freed memory to its next arrays instead of back to the kernel, which would clear
    every page again: half of the time that references take. Where there is another library, nothing is changed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_ARENA_MAX, 1)


class DeviceMemory:
    """Asks the GPU for its free memory, in a process that is gone afterwards, context and all."""

    def free_bytes(self) -> int:
        import torch

        return int(torch.cuda.mem_get_info()[0])
