"""One contest: variants of a case held in workers side by side, timed against each other, each turned into a record."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from workbench.analyse.bootstrap import median_interval
from workbench.check.case import Draw
from workbench.check.compare_outputs import Comparison
from workbench.declare import Device, Setting
from workbench.execute.side_by_side import side_by_side
from workbench.execute.worker import FAILURES, Worker, close_all
from workbench.measure.interleave import Contender, interleave
from workbench.measure.station import Assignment
from workbench.store.record import Record, Time
from workbench.sweep.presets import Effort
from workbench.sweep.records import Subject
from workbench.sweep.watch import Watch

AGAINST_ITSELF_S = 0.1
"""The A/A comparison runs the baseline twice; where one evaluation takes longer than this, the fastest variant
stands in for it, so that the noise floor does not cost more than the measurement."""
MIRROR = "A/A"
"""Name of the second contender of an A/A comparison, which has no record."""


@dataclass
class Entry:
    """One variant in the contest, from worker to record."""

    subject: Subject
    worker: Worker
    settings: dict[str, Setting]
    comparison: Comparison
    contender: Contender
    evaluation_s: float


@dataclass
class Contest:
    """What all variants of a case share, and the steps that each goes through."""

    kernels: Path
    case: Path
    """Folder of inputs and references."""
    device: Device
    timed: tuple[Draw, ...]
    checked: tuple[Draw, ...]
    checked_at_once: int
    """How many variants are checked side by side: one on a CPU, of which each takes every core."""
    effort: Effort
    timeout_s: float
    seed: int
    watch: Watch
    journal: Callable[[dict[str, Any]], None]
    """Told of every block of samples."""
    earlier: dict[str, dict[str, Any]]
    """What the journal of an interrupted run knows: key → settings, samples_s, spent_s."""
    _chosen: dict[str, dict[str, Setting]] = field(default_factory=dict)

    def run(self, subjects: list[Subject]) -> tuple[list[Record], float | None]:
        """A record for each, and the A/A spread (None where nothing came as far as the clock)."""
        likely = next((s for s in subjects if s.variant.name == s.operation.baseline), subjects[0])
        workers = [self._worker(subject) for subject in (*subjects, likely)]
        try:
            right, records = self._check(subjects, workers)
            entries: list[Entry] = []
            for place, comparison in right:
                outcome = self._tune(subjects[place], workers[place], comparison)
                if isinstance(outcome, Record):
                    records.append(outcome)
                else:
                    entries.append(outcome)
            if not entries:
                return records, None
            opponent = self._opponent(entries)
            if opponent.subject is not likely:
                workers.append(self._worker(opponent.subject))
            mirror = self._mirror(workers[-1], opponent)
            contenders = [e.contender for e in entries] + ([mirror] if mirror else [])
            interleave(contenders, self.effort.rule, self.effort.block_s, self.seed, self._on_block)
            return records + self._leave(entries), _spread(opponent.contender, mirror)
        finally:
            close_all(workers)

    def _check(
        self, subjects: list[Subject], workers: list[Worker]
    ) -> tuple[list[tuple[int, Comparison]], list[Record]]:
        """Every variant with its default settings, several at once. Places and comparisons of those that are right,
        and the records of those that are not, whose workers are closed."""
        begins = [
            partial(worker.start, "check", subject.variant.default_settings())
            for subject, worker in zip(subjects, workers, strict=False)
        ]
        right: list[tuple[int, Comparison]] = []
        records = []
        for place, comparison, failure in side_by_side(begins, self.timeout_s, self.checked_at_once):
            subject = subjects[place]
            if failure is None and subject.is_right(comparison):
                right.append((place, comparison))
                continue
            workers[place].close()
            records.append(subject.judged(comparison) if failure is None else subject.failed(failure))
        return sorted(right, key=lambda found: found[0]), records

    def _tune(self, subject: Subject, worker: Worker, comparison: Comparison) -> Entry | Record:
        """Finds a variant's best settings, alone on the machine; a record at once where it fails."""
        self.watch.step(f"{subject.variant.key} at {subject.shape}", 0.5)
        settings = subject.variant.default_settings()
        try:
            known = self.earlier.get(subject.key)
            if known is not None:
                settings = known["settings"]
                worker.call("prepare", settings, timeout_s=self.timeout_s)
                attempts = worker.call("warm_up", self.effort.warm_s, timeout_s=self.timeout_s)
                samples, spent = list(known["samples_s"]), float(known["spent_s"])
            else:
                effort = self.effort
                patience = self.timeout_s + effort.tune_s
                attempts = worker.call("tune", subject.bound, effort.warm_s, effort.tune_s, timeout_s=patience)
                settings, samples, spent = attempts[0][0], [], 0.0
        except FAILURES as failure:
            worker.close()
            return subject.failed(failure, settings)
        contender = Contender(subject.key, _RemoteSampler(worker, self.timeout_s), samples, spent)
        self._chosen[subject.key] = settings
        return Entry(subject, worker, settings, comparison, contender, attempts[0][1])

    def _leave(self, entries: list[Entry]) -> list[Record]:
        """The records of what was timed; every answer is verified once more, several at once."""

        def begin(entry: Entry) -> Worker:
            if entry.contender.failure is not None:
                raise entry.contender.failure
            return entry.worker.start("verify")

        records: dict[int, Record] = {}
        for place, again, failure in side_by_side(
            [partial(begin, e) for e in entries], self.timeout_s, self.checked_at_once
        ):
            entry = entries[place]
            self.watch.step(f"{entry.subject.variant.key} done", 0.5)
            records[place] = entry.subject.failed(failure, entry.settings) if failure else self._timed(entry, again)
        return [records[place] for place in range(len(entries))]

    def _timed(self, entry: Entry, again: Comparison) -> Record:
        subject, contender = entry.subject, entry.contender
        try:
            facts = entry.worker.call("facts", timeout_s=self.timeout_s)
        except FAILURES as failure:
            return subject.failed(failure, entry.settings)
        worst = max(again, entry.comparison, key=lambda c: c.relative_l2)
        time = _time(contender.samples_s, contender.stopped_by or "time_cap", facts)
        return subject.judged(worst, entry.settings, time=time, samples_s=contender.samples_s)

    def _opponent(self, entries: list[Entry]) -> Entry:
        """Who runs against itself: the baseline, or the fastest where the baseline takes too long."""
        named = [e for e in entries if e.subject.variant.name == e.subject.operation.baseline]
        if named and named[0].evaluation_s <= AGAINST_ITSELF_S:
            chosen = named[0]
        else:
            chosen = min(entries, key=lambda e: e.evaluation_s)
        chosen.contender.opponent = True
        return chosen

    def _mirror(self, worker: Worker, opponent: Entry) -> Contender | None:
        """The opponent's double. What it computes is in no record, and has been compared already."""
        try:
            worker.call("bind", opponent.settings, timeout_s=self.timeout_s)
            worker.call("warm_up", self.effort.warm_s, timeout_s=self.timeout_s)
        except FAILURES:
            return None
        return Contender(MIRROR, _RemoteSampler(worker, self.timeout_s), opponent=True)

    def _worker(self, subject: Subject) -> Worker:
        assignment = Assignment(
            key=subject.key,
            kernels=self.kernels,
            variant=subject.variant.key,
            shape=subject.shape,
            device=self.device,
            case=self.case,
            timed=self.timed,
            checked=self.checked,
        )
        return Worker("workbench.measure.station:Station", assignment)

    def _on_block(self, contender: Contender, block: list[float], spent_s: float) -> None:
        if contender.name != MIRROR:
            settings = self._chosen[contender.name]
            self.journal({"key": contender.name, "settings": settings, "samples_s": block, "spent_s": spent_s})


class _RemoteSampler:
    """A station's samples, asked for across the process boundary."""

    def __init__(self, worker: Worker, timeout_s: float) -> None:
        self._worker, self._timeout_s = worker, timeout_s

    def samples(self, seconds: float) -> list[float]:
        taken: list[float] = self._worker.call("samples", seconds, timeout_s=self._timeout_s)
        return taken


def _time(samples: list[float], stopped_by: str, facts: dict[str, Any]) -> Time:
    low, high = median_interval(samples)
    return Time(
        median_s=statistics.median(samples),
        low_s=low,
        high_s=high,
        minimum_s=min(samples),
        count=len(samples),
        stopped_by=stopped_by,
        **facts,
    )


def _spread(one: Contender, mirror: Contender | None) -> float | None:
    """The A/A spread: how far the medians of a variant and of itself lie apart, relative. What more samples would
    narrow is in each figure's own interval; this is what they would not."""
    if mirror is None or mirror.failure or one.failure or min(len(one.samples_s), len(mirror.samples_s)) < 2:
        return None
    return abs(statistics.median(mirror.samples_s) / statistics.median(one.samples_s) - 1.0)
