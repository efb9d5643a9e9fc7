"""The stage that times: one case, every variant in a worker of its own, checked, tuned, interleaved, verified."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from workbench.analyse.bootstrap import median_interval, ratio_interval
from workbench.check.case import Draw, checked_draws, timed_draws
from workbench.check.compare_outputs import Comparison
from workbench.declare import Device, Setting, Variant
from workbench.execute.here import device_name, why_unsupported
from workbench.execute.host_memory import GuardBroken
from workbench.execute.worker import Worker, WorkerCrashed, WorkerTimeout
from workbench.measure.interleave import Contender, interleave
from workbench.measure.station import Assignment
from workbench.problem import Problem
from workbench.store.record import BuildFact, Record, Status, Time
from workbench.sweep.memory import group_size, require_fit
from workbench.sweep.presets import Effort
from workbench.sweep.records import make_record, record_key
from workbench.sweep.selection import Case
from workbench.sweep.watch import Watch

FAILURES = (WorkerCrashed, WorkerTimeout, GuardBroken, Problem)
AGAINST_ITSELF_S = 0.1
"""The A/A comparison runs the baseline twice; where one evaluation takes longer than this, the fastest variant
stands in for it, so that the noise floor does not cost more than the measurement."""
MIRROR = "A/A"
"""Name of the second contender of an A/A comparison, which has no record."""


@dataclass
class Entry:
    """One variant in one case, from worker to record."""

    variant: Variant
    worker: Worker
    settings: dict[str, Setting]
    comparison: Comparison
    contender: Contender
    attempts: list[Any] = field(default_factory=list)


@dataclass
class CaseTimer:
    """Times one case on one device."""

    case: Case
    device: Device
    kernels: Path
    effort: Effort
    timeout_s: float
    seed: int
    watch: Watch
    journal: Any
    """Called with a dictionary for every block of samples."""
    earlier: dict[str, dict[str, Any]]
    """What the journal of an interrupted run knows: key → settings and samples."""
    facts: dict[str, list[BuildFact]]
    """Build facts by variant name."""
    _timed: tuple[Draw, ...] = ()
    _checked: tuple[Draw, ...] = ()
    _chosen: dict[str, dict[str, Setting]] = field(default_factory=dict)

    def run(self, skip: set[str]) -> tuple[list[Record], float | None]:
        """Records of every variant whose key is not in `skip`, and the A/A spread (None where nothing was timed).

        Raises Problem where the case does not fit in memory.
        """
        operation, shape = self.case.operation, self.case.shape
        wanted = [v for v in self.case.variants if self.device in v.devices and self._key(v) not in skip]
        records = []
        for variant in list(wanted):
            reason = why_unsupported(variant, shape)
            if reason is not None:
                records.append(self._record(variant, Status.UNSUPPORTED, reason=reason))
                wanted.remove(variant)
        if not wanted:
            return records, None
        self._timed, self._checked = timed_draws(operation, shape), checked_draws(operation)
        require_fit(operation, shape)
        with _case_folder() as folder:
            self._write_case(folder)
            free = psutil.virtual_memory().available if self.device == "cpu" else _free_device_bytes()
            size = group_size(wanted, operation, shape, len(self._timed), free)
            noise = None
            for first in range(0, len(wanted), size - 1):
                found, spread = self._time_group(folder, wanted[first : first + size - 1])
                records += found
                noise = max(filter(None, (noise, spread)), default=None)
        return records, noise

    # ----------------------------------------------------------------------------------------- one group of variants

    def _time_group(self, folder: Path, variants: list[Variant]) -> tuple[list[Record], float | None]:
        records: list[Record] = []
        entries: list[Entry] = []
        itself: Worker | None = None
        try:
            for variant in variants:
                outcome = self._enter(folder, variant)
                if isinstance(outcome, Record):
                    records.append(outcome)
                else:
                    entries.append(outcome)
            if not entries:
                return records, None
            opponent = self._opponent(entries)
            itself = self._worker(folder, opponent.variant)
            mirror = self._mirror(itself, opponent)
            contenders = [e.contender for e in entries] + ([mirror] if mirror else [])
            interleave(contenders, self.effort.rule, self.effort.block_s, self.seed, self._on_block)
            records += [self._leave(entry) for entry in entries]
            return records, _spread(opponent.contender, mirror)
        finally:
            for entry in entries:
                entry.worker.close()
            if itself is not None:
                itself.close()

    def _enter(self, folder: Path, variant: Variant) -> Entry | Record:
        """Checks a variant and finds its best settings; a record at once where it fails."""
        self.watch.step(f"{variant.key} at {self.case.shape}", 0.5)
        worker = self._worker(folder, variant)
        settings = variant.default_settings()
        bound = self.case.operation.tolerance[self.case.shape.dtype]
        try:
            comparison: Comparison = worker.call("check", settings, timeout_s=self.timeout_s)
            if not comparison.relative_l2 <= bound:
                worker.close()
                return self._wrong(variant, settings, comparison)
            known = self.earlier.get(self._key(variant))
            if known is not None:
                settings = known["settings"]
                worker.call("prepare", settings, timeout_s=self.timeout_s)
                attempts = worker.call("warm_up", self.effort.warm_s, timeout_s=self.timeout_s)
                samples, spent = list(known["samples_s"]), float(known["spent_s"])
            else:
                attempts = worker.call("tune", bound, self.effort.warm_s, self.effort.tune_s, timeout_s=self.timeout_s)
                settings, samples, spent = attempts[0][0], [], 0.0
        except FAILURES as failure:
            worker.close()
            return self._failed(variant, settings, failure)
        sampler = _RemoteSampler(worker, self.timeout_s)
        contender = Contender(self._key(variant), sampler, samples, spent)
        self._chosen[contender.name] = settings
        return Entry(variant, worker, settings, comparison, contender, attempts)

    def _leave(self, entry: Entry) -> Record:
        """The record of a variant that was timed; its answer is verified once more."""
        self.watch.step(f"{entry.variant.key} done", 0.5)
        if entry.contender.failure is not None:
            return self._failed(entry.variant, entry.settings, entry.contender.failure)
        bound = self.case.operation.tolerance[self.case.shape.dtype]
        try:
            again: Comparison = entry.worker.call("verify", timeout_s=self.timeout_s)
            facts = entry.worker.call("facts", timeout_s=self.timeout_s)
        except FAILURES as failure:
            return self._failed(entry.variant, entry.settings, failure)
        worst = max(again, entry.comparison, key=lambda c: c.relative_l2)
        if not worst.relative_l2 <= bound:
            return self._wrong(entry.variant, entry.settings, worst)
        samples = entry.contender.samples_s
        low, high = median_interval(samples)
        middle = sorted(samples)
        median = (middle[(len(middle) - 1) // 2] + middle[len(middle) // 2]) / 2
        return self._record(
            entry.variant,
            Status.OK,
            settings=entry.settings,
            error=worst.measure(bound),
            time=Time(
                median_s=median,
                low_s=low,
                high_s=high,
                minimum_s=middle[0],
                count=len(samples),
                stopped_by=entry.contender.stopped_by or "time_cap",
                **facts,
            ),
            samples_s=samples,
        )

    def _opponent(self, entries: list[Entry]) -> Entry:
        """Who runs against itself: the baseline, or the fastest where the baseline takes too long."""
        named = [e for e in entries if e.variant.name == self.case.operation.baseline]
        if named and (not named[0].attempts or named[0].attempts[0][1] <= AGAINST_ITSELF_S):
            chosen = named[0]
        else:
            chosen = min(entries, key=lambda e: e.attempts[0][1] if e.attempts else float("inf"))
        chosen.contender.opponent = True
        return chosen

    def _mirror(self, worker: Worker, opponent: Entry) -> Contender | None:
        try:
            worker.call("prepare", opponent.settings, timeout_s=self.timeout_s)
            worker.call("warm_up", self.effort.warm_s, timeout_s=self.timeout_s)
        except FAILURES:
            return None
        return Contender(MIRROR, _RemoteSampler(worker, self.timeout_s))

    # ------------------------------------------------------------------------------------------------ small parts

    def _worker(self, folder: Path, variant: Variant) -> Worker:
        assignment = Assignment(
            self.kernels, variant.key, self.case.shape, self.device, folder, self._timed, self._checked
        )
        return Worker("workbench.measure.station:Station", assignment)

    def _write_case(self, folder: Path) -> None:
        maker = Worker("workbench.measure.station:CaseMaker", self.kernels, self.case.operation.name)
        try:
            draws = (*self._timed, *self._checked)
            maker.call("write", folder, self.case.shape, draws, timeout_s=10 * self.timeout_s)
        except (WorkerCrashed, WorkerTimeout) as failure:
            raise Problem(
                f"{self.case.operation.name} at {self.case.shape}: its reference could not be made: {failure}"
            ) from None
        finally:
            maker.close()

    def _on_block(self, contender: Contender, block: list[float], spent_s: float) -> None:
        if contender.name != MIRROR:
            settings = self._chosen[contender.name]
            self.journal({"key": contender.name, "settings": settings, "samples_s": block, "spent_s": spent_s})

    def _key(self, variant: Variant) -> str:
        return record_key(variant, self.case.shape, self.case.operation.regimes[0], self.device)

    def _record(self, variant: Variant, status: Status, **fields: Any) -> Record:
        return make_record(
            variant,
            self.case.operation,
            self.case.shape,
            self.device,
            device_name(self.device),
            status,
            build=self.facts.get(variant.name, []),
            **fields,
        )

    def _wrong(self, variant: Variant, settings: dict[str, Setting], found: Comparison) -> Record:
        bound = self.case.operation.tolerance[self.case.shape.dtype]
        return self._record(
            variant,
            Status.INCORRECT,
            settings=settings,
            reason=found.reason,
            error=found.measure(bound),
        )

    def _failed(self, variant: Variant, settings: dict[str, Setting], failure: Exception) -> Record:
        status = {WorkerTimeout: Status.TIMEOUT, GuardBroken: Status.INCORRECT, Problem: Status.COMPILE_ERROR}.get(
            type(failure), Status.CRASHED
        )
        return self._record(variant, status, settings=settings, reason=str(failure))


class _RemoteSampler:
    """A station's samples, asked for across the process boundary."""

    def __init__(self, worker: Worker, timeout_s: float) -> None:
        self._worker, self._timeout_s = worker, timeout_s

    def samples(self, seconds: float) -> list[float]:
        taken: list[float] = self._worker.call("samples", seconds, timeout_s=self._timeout_s)
        return taken


def _spread(one: Contender, mirror: Contender | None) -> float | None:
    """The A/A spread: how far the ratio of a variant to itself may seem to lie from 1 (95 % interval)."""
    if mirror is None or mirror.failure or one.failure or min(len(one.samples_s), len(mirror.samples_s)) < 2:
        return None
    low, high = ratio_interval(one.samples_s, mirror.samples_s)
    return max(abs(low - 1.0), abs(high - 1.0))


@contextlib.contextmanager
def _case_folder() -> Iterator[Path]:
    """A temporary folder in memory where there is one large enough, else on disk."""
    shm = Path("/dev/shm")
    place = str(shm) if shm.is_dir() and psutil.disk_usage(str(shm)).free > 4 << 30 else None
    with tempfile.TemporaryDirectory(prefix="workbench-", dir=place) as name:
        yield Path(name)


def _free_device_bytes() -> int:
    worker = Worker("workbench.measure.station:DeviceMemory")
    try:
        free: int = worker.call("free_bytes", timeout_s=60.0)
        return free
    finally:
        worker.close()
