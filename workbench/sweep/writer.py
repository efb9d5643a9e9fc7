"""The one writer of a sweep: what its jobs tell becomes the run, its journal, its records and its machines' figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workbench.measure.ceilings import Measured, together
from workbench.measure.noise import noise_floor
from workbench.store.record import BuildFact, CeilingsMeasured, Machine, Record
from workbench.store.run_folder import RunFolder
from workbench.sweep.catalogue import sources_in
from workbench.sweep.events import Began, Ended, Event, Recorded, Samples, Spread, Step
from workbench.sweep.jobs import CaseJob
from workbench.sweep.journal import begun_in, counted_in, entries_of_lost, entry_of
from workbench.sweep.progress import Progress
from workbench.sweep.simulating import CountJob, MachineCodeCounts, with_counts


@dataclass
class _Attempt:
    """What an attempt at a case has told so far. `machine`: empty where the sweep has one of the device."""

    machine: str
    records: list[Record] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)


class RunWriter:
    """Holds what the run has of each record: done, begun, counted.

    Blocks of samples are on disk as they come. The records of a case, and its A/A spread, are written when its job has
    ended: of an attempt that is lost on the way nothing stays but the blocks, and those are disowned when the next one
    begins.
    """

    def __init__(self, folder: RunFolder, progress: Progress, machine: Callable[[str], Machine]) -> None:
        """`machine`: describes the place where records of a backend are made, for a run that lacks it."""
        self.folder = folder
        self.progress = progress
        self.done = {record.key: record for record in folder.records()}
        entries = folder.journal_entries()
        self.begun = begun_in(entries)
        self.counted = counted_in(entries)
        self._machine = machine
        self._facts: dict[str, Sequence[BuildFact]] = {}
        self._open: dict[str, _Attempt] = {}
        """Those that go on."""

    def take(self, job: CaseJob, event: Event) -> None:
        """One event of a job."""
        attempt = f"{job.case} on {job.device}"
        match event:
            case Began():
                if attempt in self._open:
                    for entry in entries_of_lost(job.variants):
                        self.folder.journal(entry)
                self._open[attempt] = _Attempt(self._machine_named(event.machine))
            case Samples():
                self.folder.journal(entry_of(event, self._open[attempt].machine))
            case Recorded():
                self._open[attempt].records.append(event.record)
            case Spread():
                self._open[attempt].spreads.append(event.spread)
            case Step():
                self.progress.step(event.text, event.parts)
            case Ended():
                ended = self._open.pop(attempt)
                for record in ended.records:
                    self.record(record)
                self._noise(ended.machine or job.device, job.case, ended.spreads)

    def record(self, record: Record) -> None:
        """Adds a record, with what the sweep knows beside: what it was made from, compiled to and counted."""
        facts = self._facts.get(record.key)
        known = {"sources": record.sources or sources_in(self.folder.run.catalogue, record)}
        record = record.model_copy(update={**known, "build": list(facts)} if facts else known)
        record = with_counts(record, self.counted.get(record.key))
        self.folder.append(record)
        self.done[record.key] = record

    def compiled(self, key: str, facts: Sequence[BuildFact]) -> None:
        """What the variant of a record compiles to."""
        self._facts[key] = facts

    def count(self, job: CountJob, found: MachineCodeCounts) -> None:
        """What was counted for a record; it survives a sweep that is cut off before the record is there."""
        self.counted[job.key] = found
        self.folder.journal({"counted": job.key, "found": found.model_dump(mode="json", by_alias=True)})

    # ------------------------------------------------------------------------------------------------ machines

    def machine(self, id_: str) -> Machine:
        """The run's machine of that id; where the run lacks it (begun by an older workbench, or on other machines),
        that of today."""
        return self._known(id_) or self._machine(id_)

    def ceilings_of(self, id_: str) -> dict[str, float]:
        """What the run has measured of a machine so far."""
        known = self._known(id_)
        return dict(known.ceilings) if known is not None else {}

    def _known(self, id_: str) -> Machine | None:
        return next((machine for machine in self.folder.run.machines if machine.id == id_), None)

    def _machine_named(self, machine: Machine | None) -> str:
        """Its id, and empty for none; one that the run has not met is in its table from now on."""
        if machine is not None and self._known(machine.id) is None:
            self.folder.update_machine(machine)
        return machine.id if machine is not None else ""

    def has_ceilings(self, id_: str, when: str) -> bool:
        """Whether they were measured at the `start` or the `end`."""
        machine = self.machine(id_)
        if when == "start":
            return bool(machine.ceilings)
        # A second time makes sense beside a first, and where this run has timed something with it.
        return not machine.ceilings or any(one.when == when for one in machine.measurements)

    def ceilings(self, id_: str, when: str, found: Measured) -> None:
        machine = self.machine(id_)
        once = CeilingsMeasured(
            when=when, rates=found.rates, under_load=list(found.under_load), reasons=list(found.reasons)
        )
        self._change(
            machine,
            ceilings=together(machine.ceilings, found.rates),
            measurements=[*machine.measurements, once],
        )

    def between_runs(self, id_: str, case: str, spread: float) -> None:
        """By how much a case came out differently the second time."""
        machine = self.machine(id_)
        self._change(machine, between_runs={**machine.between_runs, case: spread})

    def _noise(self, id_: str, case: str, found: Sequence[float]) -> None:
        if found:
            machine = self.machine(id_)
            spreads = {**machine.spreads, case: max(found)}
            self._change(machine, spreads=spreads, noise_floor=noise_floor(spreads.values()))

    def _change(self, machine: Machine, **fields: object) -> None:
        self.folder.update_machine(machine.model_copy(update=fields))
