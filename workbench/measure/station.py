"""What a worker process does for one variant at one shape: check it, try its settings, time it, verify it again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.catalog import load_catalog
from workbench.check.case import Draw, read_inputs, read_reference
from workbench.check.compare_outputs import Comparison, compare_outputs
from workbench.declare import Device, Setting, Shape
from workbench.execute.bind import bind_plan
from workbench.execute.ranges import marked
from workbench.measure.clock_cpu import CpuClock


@dataclass(frozen=True)
class Assignment:
    """Everything a station needs to know; it travels to the worker process."""

    key: str
    """The record's, which names the NVTX range of every evaluation."""
    kernels: Path
    variant: str
    shape: Shape
    device: Device
    case: Path
    timed: tuple[Draw, ...]
    checked: tuple[Draw, ...]


Attempt = tuple[dict[str, Setting], float]
"""Settings and the seconds that an evaluation took with them."""


class Station:
    """Lives in the worker process. Bound memory of the chosen settings stays between calls."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._catalog = load_catalog(assignment.kernels)
        self._variant = self._catalog.variant(assignment.variant)
        self._operation = self._catalog.operation(self._variant.operation)
        self._settings: dict[str, Setting] = {}
        self._bound: Any = None
        self._clock: Any = None
        self._references: dict[Draw, Any] = {}
        """Mapped once: the files are in memory already, their pages have only to be entered."""

    def check(self, settings: dict[str, Setting]) -> Comparison:
        """The worst comparison over the first timed set and each further draw."""
        found = [self.prepare(settings)]
        for draw in self._assignment.checked:
            bound = self._bind(settings, (draw,))
            try:
                found.append(self._evaluate(bound, 0, draw))
            finally:
                bound.close()
        return max(found, key=lambda c: c.relative_l2)

    def prepare(self, settings: dict[str, Setting]) -> Comparison:
        """Binds the timed sets with these settings and compares the first one's outputs. The others differ in their
        values alone; `verify` compares them all once they have been timed, and only then does a time count."""
        self.bind(settings)
        return self._evaluate(self._bound, 0, self._assignment.timed[0])

    def bind(self, settings: dict[str, Setting]) -> None:
        """Binds the timed sets with these settings."""
        if self._bound is not None:
            self._bound.close()
        self._bound, self._settings = self._bind(settings, self._assignment.timed), dict(settings)
        self._clock = self._new_clock()

    def verify(self) -> Comparison:
        """Poisons every timed set's outputs, evaluates once more, and compares: the worst of them."""
        worst = [self._evaluate(self._bound, i, draw) for i, draw in enumerate(self._assignment.timed)]
        return max(worst, key=lambda c: c.relative_l2)

    def tune(self, bound: float, warm_s: float, budget_s: float) -> list[Attempt]:
        """Tries each tunable's values in turn, keeping the best so far; wrong answers (relative L2 over `bound`)
        are passed over. Leaves the best settings prepared and warm. Returns what was tried, the best first."""
        best = self._variant.default_settings()
        tried: list[Attempt] = [(dict(best), self._time_of(warm_s))]
        end = time.perf_counter() + budget_s
        for name, values in self._variant.settings.items():
            for value in values[1:]:
                if time.perf_counter() > end:
                    break
                settings = {**best, name: value}
                if self.prepare(settings).relative_l2 <= bound:
                    tried.append((settings, self._time_of(warm_s)))
            best = dict(min(tried, key=lambda attempt: attempt[1])[0])
        tried.sort(key=lambda attempt: attempt[1])
        if self._settings != tried[0][0]:
            self.prepare(tried[0][0])
        self._clock.warm_up(warm_s)
        return tried

    def warm_up(self, seconds: float) -> list[Attempt]:
        """Warms the settings prepared; returns them with the time of an evaluation, as `tune` does."""
        return [(dict(self._settings), self._time_of(seconds))]

    def samples(self, seconds: float) -> list[float]:
        """One block of samples, after evaluations that bring this process's data back to where it was."""
        self._clock.settle()
        taken: list[float] = self._clock.samples(seconds)
        return taken

    def facts(self) -> dict[str, Any]:
        """Which timer, which cache state, and the clock the samples ran at."""
        return {"timer": self._clock.timer, "cache": self._clock.cache, "clock_hz": self._clock.clock_hz()}

    def _time_of(self, warm_s: float) -> float:
        self._clock.warm_up(warm_s)
        samples = sorted(self._clock.samples(warm_s))
        middle: float = samples[len(samples) // 2]
        return middle

    def _new_clock(self) -> Any:
        if self._assignment.device == "cuda":
            from workbench.measure.clock_cuda import CudaClock

            plan = self._variant.plan(self._assignment.shape, self._settings)
            return CudaClock(self._bound, 1 if plan.graph else len(plan.steps), marked(self._assignment.key))
        return CpuClock(self._bound, marked(self._assignment.key))

    def _bind(self, settings: dict[str, Setting], draws: tuple[Draw, ...]) -> Any:
        a = self._assignment
        inputs = [read_inputs(a.case, self._operation, a.shape, draw) for draw in draws]
        plan = self._variant.plan(a.shape, settings)
        return bind_plan(plan, self._operation.tensors(a.shape), inputs, a.shape.dtype, a.device)

    def _evaluate(self, bound: Any, index: int, draw: Draw) -> Comparison:
        bound.poison(index)
        bound.run(index)
        a = self._assignment
        if draw not in self._references:
            self._references[draw] = read_reference(a.case, self._operation, a.shape, draw)
        tolerance = self._operation.tolerance[a.shape.dtype]
        found = compare_outputs(bound.outputs(index), self._references[draw], tolerance)
        return found.at(draw.label)


class CaseMaker:
    """Writes a case's inputs and references in a worker, so that the coordinator stays small."""

    def __init__(self, kernels: Path, operation: str) -> None:
        self._operation = load_catalog(kernels).operation(operation)

    def write(self, folder: Path, shape: Shape, draws: tuple[Draw, ...]) -> None:
        from workbench.check.case import write_case

        write_case(folder, self._operation, shape, draws)


class DeviceMemory:
    """Asks the GPU for its free memory, in a process that is gone afterwards, context and all."""

    def free_bytes(self) -> int:
        import torch

        return int(torch.cuda.mem_get_info()[0])
