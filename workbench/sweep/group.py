"""Variants of a case held in processes side by side, timed against each other, each turned into a record."""

from __future__ import annotations

import contextlib
import statistics
import time
from dataclasses import dataclass, field
from functools import partial

from workbench.check.case import InputSet
from workbench.check.case_memory import CaseMemory
from workbench.declare import Setting
from workbench.execute.failures import FAILURES
from workbench.execute.side_by_side import side_by_side
from workbench.execute.worker import Worker
from workbench.measure.interleave import Series, interleave
from workbench.measure.plausible import least_seconds
from workbench.measure.variant_timer import Assignment
from workbench.store.record import Record, Tried
from workbench.sweep.disturbance import disturbance_of
from workbench.sweep.events import Emit, Recorded, Samples, Step
from workbench.sweep.hot import hot_of, time_hot, time_of
from workbench.sweep.jobs import CaseJob, VariantJob
from workbench.sweep.records import Candidate
from workbench.sweep.search import STRATEGIES, Space
from workbench.sweep.variant_process import VariantProcess

AGAINST_ITSELF_S = 0.1
"""The A/A comparison runs the baseline twice; where one evaluation takes longer than this, the fastest variant
stands in for it, so that the noise floor does not cost more than the measurement."""
TWIN = "A/A"
"""Name of the second series of an A/A comparison, which has no record."""


@dataclass
class Timing:
    """One variant that came as far as the clock."""

    process: VariantProcess
    settings: dict[str, Setting]
    series: Series
    evaluation_s: float
    blocks: int = 0
    disturbed: int = 0
    """Of a sweep that was cut off: blocks whose samples count, and those of them that were disturbed."""
    hot: Series | None = None
    tried: list[Tried] = field(default_factory=list)


@dataclass
class TimedGroup:
    """What all variants of a group share, and the steps that each goes through."""

    job: CaseJob
    case: CaseMemory
    timed: tuple[InputSet, ...]
    checked: tuple[InputSet, ...]
    swapped: tuple[InputSet, ...]
    checked_at_once: int
    """How many variants are checked side by side: one on a CPU, of which each takes every core."""
    emit: Emit
    """Told of every block of samples, and of every record."""
    _chosen: dict[str, dict[str, Setting]] = field(default_factory=dict)

    def run(self, candidates: list[Candidate]) -> float | None:
        """A record for each; returns the A/A spread (None where nothing came as far as the clock)."""
        budget, order = self.job.budget, self.job.seeds.order or 0
        likely = next((c for c in candidates if c.variant.name == c.operation.baseline), candidates[0])
        with contextlib.ExitStack() as stack:
            processes = [self._process(candidate, stack) for candidate in (*candidates, likely)]
            stack.callback(_release, processes)
            tuned = [self._tune(process) for process in self._check(processes[:-1])]
            timings = [timing for timing in tuned if timing is not None]
            if not timings:
                return None
            reference = self._reference(timings)
            if reference.process.candidate is not likely:
                processes.append(self._process(reference.process.candidate, stack))
            twin = self._twin(processes[-1], reference)
            all_series = [timing.series for timing in timings] + ([twin] if twin else [])
            interleave(all_series, budget.rule, budget.block_s, order, self._on_block, _disturbed)
            through = [timing for timing in timings if timing.series.failure is None]
            for timing, hot in zip(through, time_hot([t.process for t in through], budget, order), strict=True):
                timing.hot = hot
                timing.series.failure = hot.failure if hot is not None else None
            self._leave(timings)
            return _spread(reference.series, twin)

    def _check(self, processes: list[VariantProcess]) -> list[VariantProcess]:
        """Every variant with its default settings, on the first timed set and on each further one, several at once.
        Those that are right; the others have their records then, and are closed."""
        left = list(processes)
        for input_set in (self.timed[0], *self.checked):
            begins = [partial(self._evaluate, process, input_set) for process in left]
            failed: list[VariantProcess] = []
            for place, _, failure in side_by_side(begins, self.job.timeout_s, self.checked_at_once):
                if failure is None:
                    left[place].judge(input_set)
                else:
                    self._record(left[place].candidate.failed(failure))
                    left[place].close()
                    failed.append(left[place])
            left = [process for process in left if process not in failed]
        right = []
        for process in left:
            assert process.worst is not None
            if process.worst.right:
                right.append(process)
            else:
                self._record(process.candidate.judged(process.worst))
                process.close()
        return right

    def _record(self, record: Record) -> None:
        self.emit(Recorded(record))

    def _job_of(self, candidate: Candidate) -> VariantJob:
        return next(one for one in self.job.variants if one.key == candidate.key)

    def _evaluate(self, process: VariantProcess, input_set: InputSet) -> Worker:
        settings = process.candidate.variant.default_settings()
        worker = process.worker
        if input_set is self.timed[0]:
            return worker.start("prepare", settings, returns=None)
        return worker.start("evaluate", settings, self.case.input_sets.index(input_set), returns=None)

    def _tune(self, process: VariantProcess) -> Timing | None:
        """Finds a variant's best settings, alone on the machine; None where it fails, which its record says."""
        candidate = process.candidate
        self.emit(Step(f"{candidate.variant.key} at {candidate.shape}", 0.5))
        settings = candidate.variant.default_settings()
        begun = self._job_of(candidate).begun
        tried: list[Tried] = []
        try:
            if begun is not None:
                settings = dict(begun.settings)
                process.prepare(settings)
                evaluation_s = process.warm_up(self.job.budget.warm_s)
            else:
                settings, evaluation_s, tried = self._best_settings(process)
        except FAILURES as failure:
            process.close()
            self._record(candidate.failed(failure, settings))
            return None
        self._chosen[candidate.key] = settings
        if begun is None:
            return Timing(process, settings, Series(candidate.key, process), evaluation_s, tried=tried)
        series = Series(candidate.key, process, list(begun.samples_s), begun.spent_s)
        return Timing(process, settings, series, evaluation_s, begun.blocks, begun.disturbed)

    def _best_settings(self, process: VariantProcess) -> tuple[dict[str, Setting], float, list[Tried]]:
        """Searches the tunables by the job's strategy; settings with a wrong answer are passed over. Leaves the best
        prepared and warm. Returns them, the seconds of an evaluation, and all that was tried."""
        warm_s, candidate = self.job.budget.warm_s, process.candidate
        variant = candidate.variant
        values = {**{n: (v,) for n, v in variant.default_settings().items()}, **self._job_of(candidate).settings}
        space = Space(values, partial(variant.refuses, candidate.shape), self.job.seeds.order or 0)
        bound, tried = space.default(), [Tried(settings=space.default(), seconds=process.warm_up(warm_s))]
        end = time.monotonic() + self.job.budget.tune_s

        def attempt(settings: dict[str, Setting]) -> float | None:
            nonlocal bound
            known = next((one for one in tried if one.settings == settings), None)
            if known is None:
                bound = settings
                right = process.prepare(settings).right
                known = Tried(settings=settings, seconds=process.warm_up(warm_s) if right else None)
                tried.append(known)
            return known.seconds

        STRATEGIES[self.job.tune](space, attempt, lambda: time.monotonic() > end)
        best = min((one for one in tried if one.seconds is not None), key=lambda one: one.seconds or 0.0)
        if bound != best.settings:
            process.prepare(dict(best.settings))
        process.warm_up(warm_s)
        return dict(best.settings), best.seconds or 0.0, tried if len(tried) > 1 else []

    def _leave(self, timings: list[Timing]) -> None:
        """The records of what was timed."""
        for timing in timings:
            self.emit(Step(f"{timing.process.candidate.variant.key} done", 0.5))
            try:
                if timing.series.failure is not None:
                    raise timing.series.failure
                self._record(self._timed(timing))
            except FAILURES as failure:
                self._record(timing.process.candidate.failed(failure, timing.settings))

    def _timed(self, timing: Timing) -> Record:
        """A record with a time where every answer was right and nothing speaks against the time. Raises one of
        FAILURES."""
        process, series = timing.process, timing.series
        candidate = process.candidate
        facts = process.facts()
        process.verify()
        assert process.worst is not None
        if process.worst.right:
            least_s = least_seconds(candidate.operation, candidate.shape, self.job.device, self.job.ceilings)
            reason = process.implausible(statistics.median(series.samples_s), least_s)
            if reason is not None:
                return candidate.implausible(process.worst, reason, timing.settings)
        taken = time_of(series.samples_s, series.stopped_by or "time_cap", facts)
        return candidate.judged(
            process.worst,
            timing.settings,
            time=taken,
            samples_s=series.samples_s,
            disturbance=disturbance_of(process.surroundings, series.kept, timing.blocks, timing.disturbed),
            hot=hot_of(timing.hot, facts),
            tried=timing.tried,
        )

    def _reference(self, timings: list[Timing]) -> Timing:
        """Who runs against itself: the baseline, or the fastest where the baseline takes too long."""
        named = [e for e in timings if e.process.candidate.variant.name == e.process.candidate.operation.baseline]
        if named and named[0].evaluation_s <= AGAINST_ITSELF_S:
            chosen = named[0]
        else:
            chosen = min(timings, key=lambda e: e.evaluation_s)
        chosen.series.reference = True
        return chosen

    def _twin(self, process: VariantProcess, reference: Timing) -> Series | None:
        """The reference's double. What it computes is in no record, and has been compared already."""
        try:
            process.bind(reference.settings)
            process.warm_up(self.job.budget.warm_s)
        except FAILURES:
            return None
        return Series(TWIN, process, reference=True)

    def _process(self, candidate: Candidate, stack: contextlib.ExitStack) -> VariantProcess:
        job = self.job
        assignment = Assignment(
            key=candidate.key,
            kernels=job.kernels,
            variant=candidate.variant.key,
            shape=candidate.shape,
            device=job.device,
            input_sets=self.case.input_sets,
            timed=len(self.timed),
        )
        process = VariantProcess(candidate, self.case, self.swapped, len(self.timed), job.device, job.timeout_s)
        return stack.enter_context(process.opened(assignment))

    def _on_block(self, series: Series, block: list[float], spent_s: float) -> None:
        if series.name != TWIN:
            self.emit(Samples(series.name, self._chosen[series.name], block, spent_s, _disturbed(series)))


def _disturbed(series: Series) -> bool:
    """Whether its last block was."""
    assert isinstance(series.sampler, VariantProcess)
    return bool(series.sampler.surroundings[-1].disturbances())


def _release(processes: list[VariantProcess]) -> None:
    """Workers that end together give their memory back together."""
    for process in processes:
        process.worker.release()


def _spread(one: Series, twin: Series | None) -> float | None:
    """The A/A spread: how far the medians of a variant and of itself lie apart, relative. What more samples would
    narrow is in each figure's own interval; this is what they would not."""
    if twin is None or twin.failure or one.failure or min(len(one.samples_s), len(twin.samples_s)) < 2:
        return None
    return abs(statistics.median(twin.samples_s) / statistics.median(one.samples_s) - 1.0)
