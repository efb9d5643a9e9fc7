"""CUDA kernels executed as compiled, under every checker and several schedules: right or wrong, never timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.check.case import InputSet, make_set
from workbench.check.compare_outputs import Comparison, compare_outputs, tolerances
from workbench.check.launches import binaries_of
from workbench.check.limited import VariantInLimits
from workbench.compile import Binary, Unit
from workbench.declare import Operation, Plan, Shape
from workbench.declared import DeclarationError, place_of
from workbench.simulate.counters import Level
from workbench.simulate.found import BY_THE_LETTER
from workbench.simulate.launch import Checks, Options, SimulationFault
from workbench.simulate.memory import Memory
from workbench.simulate.plan import WrongLaunch, run_plan

ARCH = "sm_90"
IDLE_LIMIT = 3_000_000
INSTRUCTION_LIMIT = 1_000_000_000


@dataclass(frozen=True)
class Schedule:
    """One order in which blocks, warps, copies and stores have their turns."""

    name: str
    options: Options


SCHEDULES = (
    Schedule("in order", Options(checks=Checks.ALL)),
    Schedule("seed 1, copies at once", Options(checks=Checks.ALL, seed=1, quantum=60, copies_at_once=True)),
    Schedule("seed 2, accesses delayed", Options(seed=2, quantum=60, delays=True)),
    Schedule("seed 3, accesses delayed", Options(seed=3, quantum=20, resident=16, delays=True)),
)
"""What a right kernel comes through with one answer. A race needs no luck to be found by the first two; a missing fence
shows in the last two as a wrong result."""


PLAIN = Schedule("in order", Options())
"""Without any checker but that of bounds and alignment, which is always there."""
DEPENDS = "the result depends on the schedule"


@dataclass(frozen=True)
class Verdict:
    """What all schedules made of one variant."""

    comparison: Comparison | None
    """The worst of all; None where every run ended in a fault."""
    findings: tuple[str, ...]
    """A line per fault, as the checkers name them; none where nothing is wrong but perhaps the result."""
    notes: tuple[str, ...] = ()
    """What is no fault and worth saying: stores of one value that race, results that depend on the schedule."""

    @property
    def right(self) -> bool:
        return not self.findings and self.comparison is not None and self.comparison.right

    @property
    def reason(self) -> str:
        """Why it is not right, in one line; empty where it is."""
        if self.findings:
            more = len(self.findings) - 1
            return self.findings[0] + (f"; and {more} more" if more else "")
        if self.comparison is None or self.comparison.right:
            return ""
        depends = next((note for note in self.notes if note.startswith(DEPENDS)), "")
        return self.comparison.reason + (f"; {depends}" if depends else "")

    def and_of(self, other: Comparison) -> Verdict:
        """The same with one comparison more."""
        both = [c for c in (self.comparison, other) if c is not None]
        return replace(self, comparison=max(both, key=lambda c: c.excess))


def examine(
    plan: Plan,
    operation: Operation,
    shape: Shape,
    input_sets: Sequence[InputSet],
    binaries: Mapping[Any, Any],
    arch: str = ARCH,
    schedules: Sequence[Schedule] = SCHEDULES,
) -> Verdict:
    """Runs the plan under every schedule on the first set, under the first schedule on the others.

    `binaries` as for run_plan. Raises Problem for what is not simulated. A schedule that ends in a fault is not
    compared; the faults of all are in the verdict.
    """
    findings: dict[str, None] = {}
    notes: dict[str, None] = {}
    found: list[Comparison] = []
    wrong: list[str] = []
    answers: dict[str, dict[str, Any]] = {}
    runs = [(input_sets[0], schedule) for schedule in schedules] + [
        (input_set, schedules[0]) for input_set in input_sets[1:]
    ]
    for input_set, schedule in runs:
        made = _run(plan, operation, shape, input_set, binaries, arch, schedule)
        findings.update(dict.fromkeys(made.findings))
        notes.update(dict.fromkeys(made.notes))
        if made.comparison is None:
            if made.hangs:
                break  # it would in the others, at length
            continue
        found.append(made.comparison)
        if input_set == input_sets[0]:
            answers[schedule.name] = made.outputs
            if not made.comparison.right:
                wrong.append(schedule.name)
    right = next((name for name in answers if name not in wrong), None)
    if wrong and right is not None:
        told = f"{DEPENDS}: right with {right}, wrong with {wrong[0]}"
        notes[f"{told}: is an order or a fence missing?"] = None
    elif not wrong:
        notes.update(dict.fromkeys(_differences(answers)))
    worst = max(found, key=lambda c: c.excess) if found else None
    return Verdict(worst, tuple(findings), tuple(notes))


@dataclass(frozen=True)
class _Run:
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    outputs: dict[str, Any]
    comparison: Comparison | None = None
    hangs: bool = False


def _run(
    plan: Plan, operation: Operation, shape: Shape, input_set: InputSet, binaries: Mapping[Any, Any], arch: str,
    schedule: Schedule,
) -> _Run:  # fmt: skip
    """One evaluation."""
    inputs, want = make_set(operation, shape, input_set)
    memory = Memory()
    tensors = operation.tensors(shape)
    memory.fill(tensors, inputs)
    options = schedule.options
    if options != Options():
        options = replace(options, idle_limit=IDLE_LIMIT, instruction_limit=INSTRUCTION_LIMIT)
    try:
        counted = run_plan(plan, shape.dtype, memory, binaries, arch, options)
    except SimulationFault as fault:
        told = [f for f in fault.findings if f.fault]
        notes = tuple(f.text for f in fault.findings if not f.fault)
        # What was found on the way is likelier to be the cause than where it ended.
        return _Run((*(f.text for f in told), str(fault)), notes, {}, hangs=fault.kind == "waits_forever")
    found = [finding for counts in counted if counts is not None for finding in counts.findings]
    findings = [f.text for f in found if f.fault]
    outputs = {t.name: memory.array(t.name) for t in tensors if t.compared}
    for name, array in outputs.items():
        if lost := memory.unwritten(name):
            findings.append(f"initcheck: unwritten_output: {lost} of {array.nbytes} bytes of {name} were never written")
    comparison = compare_outputs(outputs, want, tolerances(operation, shape))
    notes = tuple(f.text for f in found if f.kind in BY_THE_LETTER)
    where = input_set.label if schedule is PLAIN else f"{input_set.label}, {schedule.name}"
    return _Run(tuple(findings), notes, outputs, comparison.at(where))


def _differences(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Outputs that are right and not the same in every schedule, as sums in another order are."""
    told = []
    names = list(answers)
    for name in answers[names[0]] if names else ():
        first = answers[names[0]][name].reshape(-1).view(np.uint8)
        other = next((n for n in names[1:] if (answers[n][name].reshape(-1).view(np.uint8) != first).any()), None)
        if other is not None:
            told.append(
                f"{name} is right and differs between the schedules {names[0]} and {other}: it depends on their order"
            )
    return told


class Examiner(VariantInLimits):
    """Lives in a worker process, whose time is limited there: examines one variant."""

    def __init__(self, kernels: Path, variant: str, memory_bytes: int, arch: str = ARCH) -> None:
        """`arch`: what its kernels are compiled for; see VariantInLimits."""
        super().__init__(kernels, variant, memory_bytes)
        self._arch = arch

    def check(self, shape: Shape, settings: dict[str, Any], input_sets: tuple[InputSet, ...]) -> Verdict:
        """Every set at the shape, and under the checkers, at the operation's small shape: the first in every schedule,
        and those without optional inputs, which are another way through the kernel.

        Raises Problem for what is not simulated, DeclarationError for a launch that fits no kernel.
        """
        plan, operation = self._variant.plan(shape, settings), self._operation
        small = Shape(tuple((axis, operation.small[axis]) for axis in operation.axes), shape.dtype)
        if self._variant.supports(small) is not None:
            small = shape
        watched = self._variant.plan(small, settings)
        others = tuple(input_set for input_set in input_sets[1:] if not input_set.optional_given)
        try:
            binaries = simulated_binaries(watched, shape.dtype, self._arch)
            verdict = examine(watched, operation, small, (input_sets[0], *others), binaries, self._arch)
            binaries = simulated_binaries(plan, shape.dtype, self._arch)
            for input_set in input_sets if small != shape else input_sets[1:]:
                if verdict.findings:
                    break  # what has a fault need not be compared any more
                if input_set in others and small == shape:
                    continue
                made = _run(plan, operation, shape, input_set, binaries, self._arch, PLAIN)
                verdict = replace(verdict, findings=made.findings)
                verdict = verdict if made.comparison is None else verdict.and_of(made.comparison)
        except WrongLaunch as problem:
            at = place_of(self._variant.plan) or self._variant.at
            raise DeclarationError(f"{at}: plan(): {problem}") from None
        return verdict


def simulated_binaries(plan: Plan, dtype: str, arch: str = ARCH) -> dict[Unit, Binary | Path]:
    """What a check executes of a plan: PTX, and host functions as libraries. Raises SourceError where one does not
    compile."""
    return binaries_of(plan, dtype, arch, Level.PTX)
