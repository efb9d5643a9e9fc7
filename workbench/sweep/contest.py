"""One contest: variants of a case held in workers side by side, timed against each other, each turned into a record."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from workbench.check.case import Draw
from workbench.check.case_memory import CaseMemory
from workbench.declare import Device, Setting
from workbench.execute.failures import FAILURES
from workbench.execute.side_by_side import side_by_side
from workbench.execute.worker import Worker
from workbench.measure.interleave import Series, interleave
from workbench.measure.plausible import least_seconds
from workbench.measure.station import Assignment
from workbench.store.record import Record
from workbench.sweep.competitor import Competitor
from workbench.sweep.disturbance import disturbance_of
from workbench.sweep.hot import hot_of, time_hot, time_of
from workbench.sweep.presets import Effort
from workbench.sweep.records import Subject
from workbench.sweep.watch import Watch

AGAINST_ITSELF_S = 0.1
"""The A/A comparison runs the baseline twice; where one evaluation takes longer than this, the fastest variant
stands in for it, so that the noise floor does not cost more than the measurement."""
TWIN = "A/A"
"""Name of the second series of an A/A comparison, which has no record."""


@dataclass
class Entry:
    """One variant that came as far as the clock."""

    competitor: Competitor
    settings: dict[str, Setting]
    series: Series
    evaluation_s: float
    blocks: int = 0
    disturbed: int = 0
    """Of a sweep that was cut off: blocks whose samples count, and those of them that were disturbed."""
    hot: Series | None = None


@dataclass
class Contest:
    """What all variants of a case share, and the steps that each goes through."""

    kernels: Path
    case: CaseMemory
    device: Device
    timed: tuple[Draw, ...]
    checked: tuple[Draw, ...]
    swapped: tuple[Draw, ...]
    checked_at_once: int
    """How many variants are checked side by side: one on a CPU, of which each takes every core."""
    effort: Effort
    timeout_s: float
    seed: int
    watch: Watch
    journal: Callable[[dict[str, Any]], None]
    """Told of every block of samples."""
    earlier: dict[str, dict[str, Any]]
    """What the journal of an interrupted run knows: key → settings, samples_s, spent_s, blocks, disturbed."""
    ceilings: Mapping[str, float]
    """Those of the run."""
    _chosen: dict[str, dict[str, Setting]] = field(default_factory=dict)

    def run(self, subjects: list[Subject]) -> tuple[list[Record], float | None]:
        """A record for each, and the A/A spread (None where nothing came as far as the clock)."""
        likely = next((s for s in subjects if s.variant.name == s.operation.baseline), subjects[0])
        with contextlib.ExitStack() as stack:
            competitors = [self._competitor(subject, stack) for subject in (*subjects, likely)]
            stack.callback(_release, competitors)
            right, records = self._check(competitors[:-1])
            entries: list[Entry] = []
            for competitor in right:
                outcome = self._tune(competitor)
                if isinstance(outcome, Record):
                    records.append(outcome)
                else:
                    entries.append(outcome)
            if not entries:
                return records, None
            reference = self._reference(entries)
            if reference.competitor.subject is not likely:
                competitors.append(self._competitor(reference.competitor.subject, stack))
            twin = self._twin(competitors[-1], reference)
            all_series = [e.series for e in entries] + ([twin] if twin else [])
            interleave(all_series, self.effort.rule, self.effort.block_s, self.seed, self._on_block, _disturbed)
            through = [entry for entry in entries if entry.series.failure is None]
            for entry, hot in zip(
                through, time_hot([e.competitor for e in through], self.effort, self.seed), strict=True
            ):
                entry.hot = hot
                entry.series.failure = hot.failure if hot is not None else None
            return records + self._leave(entries), _spread(reference.series, twin)

    def _check(self, competitors: list[Competitor]) -> tuple[list[Competitor], list[Record]]:
        """Every variant with its default settings, on the first timed draw and on each further one, several at once.
        Those that are right, and the records of those that are not, which are closed."""
        left = list(competitors)
        records = []
        for draw in (self.timed[0], *self.checked):
            begins = [partial(self._evaluate, competitor, draw) for competitor in left]
            failed: list[Competitor] = []
            for place, _, failure in side_by_side(begins, self.timeout_s, self.checked_at_once):
                if failure is None:
                    left[place].judge(draw)
                else:
                    records.append(left[place].subject.failed(failure))
                    left[place].close()
                    failed.append(left[place])
            left = [competitor for competitor in left if competitor not in failed]
        right = []
        for competitor in left:
            assert competitor.worst is not None
            if competitor.worst.right:
                right.append(competitor)
            else:
                records.append(competitor.subject.judged(competitor.worst))
                competitor.close()
        return right, records

    def _evaluate(self, competitor: Competitor, draw: Draw) -> Worker:
        settings = competitor.subject.variant.default_settings()
        worker = competitor.worker
        if draw is self.timed[0]:
            return worker.start("prepare", settings, returns=None)
        return worker.start("evaluate", settings, self.case.draws.index(draw), returns=None)

    def _tune(self, competitor: Competitor) -> Entry | Record:
        """Finds a variant's best settings, alone on the machine; a record at once where it fails."""
        subject = competitor.subject
        self.watch.step(f"{subject.variant.key} at {subject.shape}", 0.5)
        settings = subject.variant.default_settings()
        blocks = disturbed = 0
        try:
            known = self.earlier.get(subject.key)
            if known is not None:
                settings = known["settings"]
                competitor.prepare(settings)
                evaluation_s = competitor.warm_up(self.effort.warm_s)
                samples, spent = list(known["samples_s"]), float(known["spent_s"])
                blocks, disturbed = int(known["blocks"]), int(known["disturbed"])
            else:
                settings, evaluation_s = self._best_settings(competitor)
                samples, spent = [], 0.0
        except FAILURES as failure:
            competitor.close()
            return subject.failed(failure, settings)
        series = Series(subject.key, competitor, samples, spent)
        self._chosen[subject.key] = settings
        return Entry(competitor, settings, series, evaluation_s, blocks, disturbed)

    def _best_settings(self, competitor: Competitor) -> tuple[dict[str, Setting], float]:
        """Tries each tunable's values in turn, keeping the best so far; those with a wrong answer are passed over.
        Leaves the best settings prepared and warm. Returns them and the seconds of an evaluation."""
        warm_s = self.effort.warm_s
        best = bound = competitor.subject.variant.default_settings()
        fastest = competitor.warm_up(warm_s)
        end = time.monotonic() + self.effort.tune_s
        for name, values in competitor.subject.variant.settings.items():
            for value in values[1:]:
                if time.monotonic() > end:
                    break
                bound = {**best, name: value}
                if not competitor.prepare(bound).right:
                    continue
                seconds = competitor.warm_up(warm_s)
                if seconds < fastest:
                    best, fastest = bound, seconds
        if bound != best:
            competitor.prepare(best)
        competitor.warm_up(warm_s)
        return best, fastest

    def _leave(self, entries: list[Entry]) -> list[Record]:
        """The records of what was timed."""
        records = []
        for entry in entries:
            self.watch.step(f"{entry.competitor.subject.variant.key} done", 0.5)
            try:
                if entry.series.failure is not None:
                    raise entry.series.failure
                records.append(self._timed(entry))
            except FAILURES as failure:
                records.append(entry.competitor.subject.failed(failure, entry.settings))
        return records

    def _timed(self, entry: Entry) -> Record:
        """A record with a time where every answer was right and nothing speaks against the time. Raises one of
        FAILURES."""
        competitor, series = entry.competitor, entry.series
        subject = competitor.subject
        facts = competitor.facts()
        competitor.verify()
        assert competitor.worst is not None
        if competitor.worst.right:
            least_s = least_seconds(subject.operation, subject.shape, self.device, self.ceilings)
            reason = competitor.implausible(statistics.median(series.samples_s), least_s)
            if reason is not None:
                return subject.implausible(competitor.worst, reason, entry.settings)
        time = time_of(series.samples_s, series.stopped_by or "time_cap", facts)
        return subject.judged(
            competitor.worst,
            entry.settings,
            time=time,
            samples_s=series.samples_s,
            disturbance=disturbance_of(competitor.surroundings, series.kept, entry.blocks, entry.disturbed),
            hot=hot_of(entry.hot, facts),
        )

    def _reference(self, entries: list[Entry]) -> Entry:
        """Who runs against itself: the baseline, or the fastest where the baseline takes too long."""
        named = [e for e in entries if e.competitor.subject.variant.name == e.competitor.subject.operation.baseline]
        if named and named[0].evaluation_s <= AGAINST_ITSELF_S:
            chosen = named[0]
        else:
            chosen = min(entries, key=lambda e: e.evaluation_s)
        chosen.series.reference = True
        return chosen

    def _twin(self, competitor: Competitor, reference: Entry) -> Series | None:
        """The reference's double. What it computes is in no record, and has been compared already."""
        try:
            competitor.bind(reference.settings)
            competitor.warm_up(self.effort.warm_s)
        except FAILURES:
            return None
        return Series(TWIN, competitor, reference=True)

    def _competitor(self, subject: Subject, stack: contextlib.ExitStack) -> Competitor:
        assignment = Assignment(
            key=subject.key,
            kernels=self.kernels,
            variant=subject.variant.key,
            shape=subject.shape,
            device=self.device,
            draws=self.case.draws,
            timed=len(self.timed),
        )
        competitor = Competitor(subject, self.case, self.swapped, len(self.timed), self.device, self.timeout_s)
        return stack.enter_context(competitor.opened(assignment))

    def _on_block(self, series: Series, block: list[float], spent_s: float) -> None:
        if series.name != TWIN:
            self.journal(
                {
                    "key": series.name,
                    "settings": self._chosen[series.name],
                    "samples_s": block,
                    "spent_s": spent_s,
                    "disturbed": _disturbed(series),
                }
            )


def _disturbed(series: Series) -> bool:
    """Whether its last block was."""
    assert isinstance(series.sampler, Competitor)
    return bool(series.sampler.surroundings[-1].disturbances())


def _release(competitors: list[Competitor]) -> None:
    """Workers that end together give their memory back together."""
    for competitor in competitors:
        competitor.worker.release()


def _spread(one: Series, twin: Series | None) -> float | None:
    """The A/A spread: how far the medians of a variant and of itself lie apart, relative. What more samples would
    narrow is in each figure's own interval; this is what they would not."""
    if twin is None or twin.failure or one.failure or min(len(one.samples_s), len(twin.samples_s)) < 2:
        return None
    return abs(statistics.median(twin.samples_s) / statistics.median(one.samples_s) - 1.0)
