"""What a variant's machine code does at a shape, counted for its record: never timed, and no verdict on its results.

A whole run gives every counter, those of caches and memory too. Where that is too much work, blocks are sampled at the
shape that was asked for, and what needs all blocks is counted at a smaller one.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from workbench.check.launches import (
    against_declared,
    alike,
    behind_caches,
    binaries_of,
    launch_of,
    moved_bytes,
    occupied,
    suffix_by_step,
    totals,
    unwatched,
)
from workbench.check.limited import VariantInLimits
from workbench.compile import Unit, unit_of
from workbench.compile.units import Binary
from workbench.declare import Cost, Plan, Shape, Step
from workbench.devices import device
from workbench.execute.rounding import round_inputs
from workbench.host_steps import path_of
from workbench.problem import Problem
from workbench.simulate.chain import longest_chain
from workbench.simulate.counters import Level, figures, merged, opcodes
from workbench.simulate.launch import Counts, Options, SimulationFault
from workbench.simulate.memory import Memory
from workbench.simulate.plan import machine_code, run_plan
from workbench.simulate.program import Instruction
from workbench.simulate.sass.lower import Lowered
from workbench.steps import kind_of, leaves_of, unrolled
from workbench.store.record import (
    Chain,
    ExecutedCode,
    Simulated,
    SimulatedCounter,
    SimulatedKernel,
    Work,
)

MOST_LAUNCHES = 320
"""Of one plan: each costs the host some milliseconds."""
MOST_BYTES = 1 << 30
"""Of a plan's tensors."""
ENDLESS = "waits_forever"
"""What a launch's fault is called that executes more instructions than it may."""
BEFORE_CACHES = 6
"""So many times the instructions take as long where no caches are modelled: the first look at a shape may take as long
as the whole run that follows."""
FOLLOWED = 30_000
"""Instructions of a warp that its chain of waits is followed through."""


@dataclass(frozen=True)
class CountRequest:
    """One variant to count."""

    shapes: tuple[Shape, ...]
    settings: dict[str, Any]
    arch: str
    gpu: str
    most: int
    """Warp instructions that may be executed at each shape."""


class TooMuch(Exception):
    """More work than may be done; the text says how much of what."""

    def __init__(self, text: str, warp_instructions: float | None = None) -> None:
        self.warp_instructions = warp_instructions
        super().__init__(text)


@dataclass
class _Group:
    """Launches that are alike, and what they did."""

    step: Step
    facts: dict[str, Any]
    code: Lowered
    kernel: str
    """Its name, and what tells it apart from others of that name."""
    counts: list[Counts] = field(default_factory=list)
    chain: Chain | None = None


class MachineCodeCounter(VariantInLimits):
    """Lives in a worker process: counts what one variant's kernels do."""

    def __init__(self, kernels: Path, variant: str, memory_bytes: int) -> None:
        """`memory_bytes`: how much more than it has the process may take."""
        super().__init__(kernels, variant, memory_bytes)
        self._drawn: tuple[Shape, dict[str, Any]] | None = None

    def count(self, request: CountRequest) -> dict[str, Any]:
        """`simulated` and `executed` of a record, as plain data."""
        found: list[Simulated] = []
        executed: list[ExecutedCode] = []
        for shape in request.shapes:
            try:
                for entry, groups in self._at(shape, request):
                    found.append(entry)
                    if groups and not executed:
                        run = Shape(tuple(entry.axes.items()), shape.dtype)
                        executed = self._by_instruction(run, groups, request)
            except (SimulationFault, Problem) as why:
                found.append(self._entry(request, shape, shape, reason=str(why)))
        return {
            "simulated": [entry.model_dump(mode="json") for entry in found],
            "executed": [one.model_dump(mode="json") for one in executed],
        }

    def _at(self, shape: Shape, request: CountRequest) -> Iterator[tuple[Simulated, dict[Hashable, _Group]]]:
        """What is counted at a shape, and the launches: all of it, or samples there and all of a smaller shape."""
        work, why = None, ""
        for tried in (shape, *self._smaller(shape)):
            if work is not None and work * _size(tried) / _size(shape) > request.most:
                continue
            try:
                groups = self._ran(tried, request)
            except TooMuch as much:
                why = why or f"{much}: counted at a smaller shape"
                continue
            done = sum(counts.total("executed") for group in groups.values() for counts in group.counts)
            if done <= request.most:
                groups = self._ran(tried, request, sampled=groups)
                yield self._counted(shape, tried, request, groups, why), groups
                return
            if tried == shape:
                work = done
                why = f"{done:,.0f} warp instructions: blocks were sampled, and caches modelled at a smaller shape"
                yield self._counted(shape, shape, request, groups, why), groups
        if work is None:  # else the sampled blocks stand for it
            yield self._entry(request, shape, shape, f"{why}, and no smaller one is little enough work"), {}

    def _smaller(self, shape: Shape) -> Iterator[Shape]:
        """Smaller shapes that the variant supports, the larger ones first: the longest axis is halved, again and again,
        down to the operation's small shape."""
        sizes, least = shape.as_dict(), self._operation.small
        while longer := [axis for axis in sizes if sizes[axis] > least[axis]]:
            axis = max(longer, key=lambda name: sizes[name])
            sizes[axis] = max(least[axis], sizes[axis] // 2)
            smaller = Shape(tuple(sizes.items()), shape.dtype)
            if self._variant.supports(smaller) is None:
                yield smaller

    # ------------------------------------------------------------------------------------------------- running

    def _ran(
        self, shape: Shape, request: CountRequest, sampled: dict[Hashable, _Group] | None = None
    ) -> dict[Hashable, _Group]:
        """What every launch did, launches that are alike together. With `sampled`, what was found so at the shape
        before, all blocks run and caches are modelled. Raises TooMuch, SimulationFault, Problem."""
        plan = self._variant.plan(shape, request.settings)
        launches = sum(launch_of(step) is not None for step in unrolled(plan.steps))
        if not launches:
            raise Problem(f"{self._variant.key} has no CUDA kernel of its own at {shape.dtype}")
        if launches > MOST_LAUNCHES:
            raise TooMuch(f"{launches:,} launches")
        if (nbytes := sum(tensor.nbytes for tensor in (*self._operation.tensors(shape), *plan.scratch))) > MOST_BYTES:
            raise TooMuch(f"{nbytes / 2**30:.1f} GiB")
        memory = self._memory(shape, plan)
        what = f"{self._variant.key} does not compile for {request.arch}"
        binaries = binaries_of(plan, shape.dtype, request.arch, Level.SASS, what)
        groups: dict[Hashable, _Group] = {}
        suffix = suffix_by_step(plan)
        for step in leaves_of(plan.steps):
            if launch_of(step) is not None and alike(step) not in groups:
                facts = occupied(step, binaries, shape.dtype, request.arch, request.gpu)
                code = self._code(step, binaries, shape.dtype, request.arch)
                groups[alike(step)] = _Group(step, facts, code, code.facts.name + suffix(step))
                if sampled:
                    groups[alike(step)].chain = sampled[alike(step)].chain
        traced = {key for key, group in groups.items() if group.chain is not None}

        def options(step: Step) -> Options:
            group = groups[alike(step)]
            caches = None if sampled is None else behind_caches(group.facts, request.arch, request.gpu)
            first = alike(step) not in traced
            traced.add(alike(step))
            return dataclasses.replace(
                caches or Options(sample=sampled is None), instruction_limit=request.most * BEFORE_CACHES,
                trace=(0, 0) if first else None, trace_limit=FOLLOWED,
            )  # fmt: skip

        try:
            counted = run_plan(plan, shape.dtype, memory, binaries, request.arch, options)
        except SimulationFault as fault:
            if fault.kind == ENDLESS:
                raise TooMuch(f"more than {BEFORE_CACHES * request.most:,} warp instructions") from None
            raise
        for step, counts in zip(unrolled(plan.steps), counted, strict=True):
            if counts is not None:
                groups[alike(step)].counts.append(counts)
        for group in groups.values():
            group.chain = group.chain or _chain(group)
        return groups

    def _memory(self, shape: Shape, plan: Plan) -> Memory:
        """The operation's tensors with their inputs, and the plan's scratch."""
        memory = Memory()
        memory.fill((*self._operation.tensors(shape), *plan.scratch), self._inputs(shape))
        return memory

    def _inputs(self, shape: Shape) -> dict[str, Any]:
        """Drawn once for the runs of a shape that follow each other."""
        if self._drawn is None or self._drawn[0] != shape:
            regime = self._operation.regimes[0]
            values = dict(self._operation.make_inputs(shape, regime, np.random.default_rng(0)))
            self._drawn = shape, round_inputs(self._operation.tensors(shape), values)
        return self._drawn[1]

    def _code(self, step: Step, binaries: dict[Unit, Binary | Path], dtype: str, arch: str) -> Lowered:
        source, built = kind_of(step).source(step), binaries[unit_of(cast(Any, step), dtype, arch)]
        assert source is not None
        function = built.symbol(source.function) if isinstance(built, Binary) else source.function
        return machine_code(path_of(built), function, source.constants)

    # ------------------------------------------------------------------------------------------------ summing up

    def _counted(
        self, swept: Shape, shape: Shape, request: CountRequest, groups: dict[Hashable, _Group], reason: str = ""
    ) -> Simulated:
        kernels = [_kernel(group) for group in groups.values()]
        plan = self._variant.plan(shape, request.settings)
        figures_of_all = totals((c.name, c.value) for kernel in kernels for c in kernel.counters)
        whole = all(not kernel.sampled for kernel in kernels)
        declared, cache_bytes = self._cost(shape, request).bytes, device(request.gpu).l2_bytes
        return self._entry(request, swept, shape, reason).model_copy(
            update={
                "moved_bytes": moved_bytes(figures_of_all, plan) if whole else None,
                "findings": against_declared(figures_of_all, plan, declared, cache_bytes) if whole else [],
                "beside": unwatched(plan),
                "kernels": kernels,
            }
        )

    def _by_instruction(
        self, shape: Shape, groups: dict[Hashable, _Group], request: CountRequest
    ) -> list[ExecutedCode]:
        """What each instruction of the machine code did at a shape, and each line of the PTX."""
        kernels: dict[str, list[Counts]] = {}
        for group in groups.values():
            kernels.setdefault(group.kernel, []).extend(group.counts)
        return [
            executed_code(request.arch, kernel, level, counts)
            for level, own in ((Level.SASS, kernels), (Level.PTX, self._ptx(shape, request)))
            for kernel, counts in own.items()
        ]

    def _ptx(self, shape: Shape, request: CountRequest) -> dict[str, list[Counts]]:
        """What the PTX of each kernel did, alike blocks sampled. Empty where any of it is not simulated or too much:
        machine code alone is then shown."""
        plan = self._variant.plan(shape, request.settings)
        options = Options(sample=True, instruction_limit=request.most * BEFORE_CACHES)
        kernels: dict[str, list[Counts]] = {}
        try:
            binaries = binaries_of(plan, shape.dtype, request.arch, Level.PTX)
            counted = run_plan(plan, shape.dtype, self._memory(shape, plan), binaries, request.arch, options)
        except (SimulationFault, Problem):
            return {}
        suffix = suffix_by_step(plan)
        for step, counts in zip(unrolled(plan.steps), counted, strict=True):
            if counts is not None:
                kernels.setdefault(counts.program.name + suffix(step), []).append(counts)
        return kernels

    def _entry(self, request: CountRequest, swept: Shape, shape: Shape, reason: str = "") -> Simulated:
        elements = max(t.elements for t in self._operation.tensors(shape) if t.compared)
        return Simulated(
            arch=request.arch, gpu=request.gpu, swept=swept.as_dict(), axes=shape.as_dict(), settings=request.settings,
            elements=elements, reason=reason, declared=_work(self._cost(shape, request)),
            least=_work(self._operation.least(shape)),
        )  # fmt: skip

    def _cost(self, shape: Shape, request: CountRequest) -> Cost:
        return self._variant.cost(shape, request.settings)


def _kernel(group: _Group) -> SimulatedKernel:
    launch, counts = launch_of(group.step), merged(group.counts)
    assert launch is not None
    facts = group.facts
    return SimulatedKernel(
        kernel=group.kernel, launches=len(group.counts), grid=list(launch.grid), block=list(launch.block),
        registers=facts["registers"], shared_bytes=facts["shared_bytes"], occupancy=facts["occupancy"],
        blocks_per_sm=facts["blocks_per_sm"], waves=facts["waves"],
        sampled=next((one.sampled for one in group.counts if one.sampled), ""),
        counters=[
            SimulatedCounter(name=f.name, value=f.value, unit=f.unit, standing=f.standing.value)
            for f in figures(counts, Level.SASS)
        ],
        opcodes=opcodes(counts), chain=group.chain,
    )  # fmt: skip


def _chain(group: _Group) -> Chain | None:
    trace = next((counts.trace for counts in group.counts if counts.trace), ())
    if not trace:
        return None
    waits = longest_chain(trace, group.code.lines)
    return Chain(
        instructions=len(trace), issue_cycles=waits.issue, global_trips=waits.on_global,
        shared_trips=waits.on_shared, other_trips=waits.on_other, whole=len(trace) < FOLLOWED,
    )  # fmt: skip


BY_INSTRUCTION = ("executed", "threads", "sectors", "sectors_ideal", "wavefronts", "wavefronts_ideal")


def executed_code(arch: str, kernel: str, level: Level, launches: Sequence[Counts]) -> ExecutedCode:
    """What each instruction did in the launches of its kernel, in the order of the code. A line of PTX for which the
    machine has several steps was executed as often as any of them; of a function that is called at several places each
    line stands once."""
    counts = merged(launches)
    own = counts.program.instructions
    values = np.stack([counts[name] for name in BY_INSTRUCTION], axis=1)
    done: dict[tuple[int, str], NDArray[np.int64]] = {}
    first: dict[tuple[int, str], Instruction] = {}
    for key, run in itertools.groupby(range(len(own)), lambda number: (own[number].address, own[number].text)):
        if level is Level.PTX and not key[0]:  # the end of a kernel, which stands in no line
            continue
        steps = list(run)
        of_run = values[steps].sum(axis=0)
        of_run[:2] = values[steps, :2].max(axis=0)
        done[key] = done[key] + of_run if key in done else of_run
        first.setdefault(key, own[steps[0]])
    rows = [first[key] for key in sorted(first)]
    columns = np.array([done[key] for key in sorted(first)]).T.tolist()
    places = [counts.program.files.get(i.file, "").rpartition("/")[2] if i.line else "" for i in rows]
    files = [name for name in dict.fromkeys(places) if name]
    return ExecutedCode(
        arch=arch, kernel=kernel, level=level.value, files=files, text=[i.text for i in rows],
        file=[files.index(name) if name else -1 for name in places], line=[i.line for i in rows],
        address=[i.address for i in rows] if level is Level.PTX else [],
        **dict(zip(BY_INSTRUCTION, columns, strict=True)),
    )  # fmt: skip


def _size(shape: Shape) -> int:
    return math.prod(size for _, size in shape.axes)


def _work(cost: Cost) -> Work:
    return Work(**dataclasses.asdict(cost))
