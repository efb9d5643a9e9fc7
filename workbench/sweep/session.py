"""A sweep from where it stands to its end: all of a new one, and what is still missing of one that was cut off."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import time

from workbench.catalog import Catalog, load_catalog
from workbench.check.case import InputSet
from workbench.declare import Device, Shape, Variant, variant_key
from workbench.execute.this_machine import why_unsupported
from workbench.foreign import reading
from workbench.measure.ceilings import Measured
from workbench.measure.noise import between
from workbench.problem import Problem
from workbench.stdout import kept_clean
from workbench.store.record import BuildFact, Record, Status
from workbench.store.run_folder import RUN, RunFolder
from workbench.sweep.building import Built, units_for
from workbench.sweep.catalogue import slice_of
from workbench.sweep.checking import CheckJob
from workbench.sweep.events import Event, Recorded, Step
from workbench.sweep.growth import continue_growth
from workbench.sweep.jobs import CaseJob
from workbench.sweep.progress import Progress
from workbench.sweep.repeated import MOST_REPEATED, REPEATED_SHARE, again, repeatable
from workbench.sweep.runner import ProcessTree, Runner
from workbench.sweep.selection import Case, Selection
from workbench.sweep.simulating import CountJob, MachineCodeCounts, job_for
from workbench.sweep.work import Work
from workbench.sweep.writer import RunWriter
from workbench.temporary import clear_once


def continue_run(folder: RunFolder, progress: Progress, runner: Runner | None = None) -> Catalog | None:
    """Does what is still missing of a run: all of a new one. `runner`: who does the jobs; this process and its workers
    where none is named. Returns the catalogue that it was done with; None where the run is finished and there is
    nothing to do."""
    clear_once()
    with folder.writing():
        if folder.run.finished:
            progress.note(f"{folder.path.name} is finished; nothing to do")
            return None
        with kept_clean():
            if folder.run.selection.get("is_growth"):
                if runner is not None:
                    raise Problem(f"{folder.path.name} records errors, which is done here: leave --cluster out")
                return continue_growth(folder, progress)
            sweep = _Sweep(folder, progress, runner or ProcessTree())
            sweep.run()
    return sweep.work.catalog


class _Sweep:
    """The stages in their order: build, ceilings, counting, simulation, timing, ceilings again, finish."""

    def __init__(self, folder: RunFolder, progress: Progress, runner: Runner) -> None:
        self.folder = folder
        self.progress = progress
        self.runner = runner
        with reading(folder.path / RUN, "what it was begun with cannot be read", "start a new run"):
            self.selection = Selection.from_dict(folder.run.selection)
            self.work = Work(self.selection, load_catalog(self.selection.folder))
        for problem in self.work.catalog.broken.values() if not self.selection.operations else ():
            progress.note(f"left out: {problem}")
        self.writer = RunWriter(folder, progress, runner.machine)

    def run(self) -> None:
        self.runner.begin()
        cases = self.work.cases
        self.folder.update(catalogue=slice_of((case.operation, variant) for case in cases for variant in case.variants))
        built = self.runner.build(self.work.units(), self.progress, bool(self.work.simulated))
        self._measure_ceilings()
        self._count(built)
        self._simulate(built)
        begin = time.monotonic()
        self._time(built)
        self._repeat_baselines(time.monotonic() - begin)
        self._measure_ceilings("end")
        if importlib.util.find_spec("pyarrow") is None:
            name, finish = self.folder.path.name, self.folder.command("finish")
            self.progress.note(f"{name} is complete, as JSON lines; where pyarrow is, finish it: {finish}")
        else:
            self.folder.finish()

    def _measure_ceilings(self, when: str = "start") -> None:
        """Of every device that the run times: each is held against its own. Once at the start and once at the end,
        where a run that was cut off goes on with what it lacks."""
        places = [place for device in self.work.devices for place in self.runner.places(device)]
        lacking = [place for place in places if not self.writer.has_ceilings(place, when)]
        if lacking:
            self.progress.stage("ceilings" if when == "start" else "ceilings again", len(lacking))
            seconds, timeout_s = self.selection.budget().ceilings_s, self.selection.timeout_s
            self.runner.ceilings(lacking, seconds, timeout_s, functools.partial(self._measured_ceilings, when))

    def _measured_ceilings(self, when: str, place: str, found: Measured | Exception) -> None:
        if isinstance(found, Measured):
            self.writer.ceilings(place, when, found)
        else:
            why = f"could not be measured ({found}); shares and floors will be missing"
            self.progress.note(f"ceilings of {place} {why}")
        self.progress.step(f"ceilings of {place}")

    def _count(self, built: Built) -> None:
        """Counts what the machine code of CUDA variants does, for the records that their checks will give."""
        jobs = []
        for one in self.work.simulated:
            c = one.candidate
            if c.key in self.writer.done or c.key in self.writer.counted or one.fault is not None or one.refused():
                continue
            archs = self.work.archs_of(c)
            if built.failure(units_for(c.variant, c.shape, archs)) is None:
                arch = next(iter(archs), "")
                most = self.selection.budget().counted_instructions
                job = job_for(c.key, c.variant, c.operation, c.shape.dtype, self.work.cases, arch, most)
                jobs += [job] if job is not None else []
        if not jobs:
            return
        self.progress.stage("count", len(jobs))
        try:
            self.runner.count(jobs, self.selection.folder, self.selection.timeout_s, self._counted)
        except Problem as problem:
            self.progress.note(f"nothing was counted: {problem}")

    def _counted(self, job: CountJob, found: MachineCodeCounts) -> None:
        self.writer.count(job, found)
        self.progress.step(f"{job.variant.key}: counted")

    def _simulate(self, built: Built) -> None:
        jobs = []
        for one in self.work.simulated:
            c = one.candidate
            if c.key in self.writer.done:
                continue
            archs = self.work.archs_of(c)
            if one.fault is not None:
                verdict: tuple[Status, str] | None = (Status.CRASHED, one.fault)
            elif refused := one.refused():
                verdict = (Status.UNSUPPORTED, refused)
            else:
                verdict = built.verdict(c.variant, c.shape, archs)
            if verdict is not None:
                self.writer.record(c.record(verdict[0], reason=verdict[1]))
            else:
                self.writer.compiled(c.key, built.facts(c.variant, c.shape, archs))
                first = InputSet(c.operation.regimes[0], 0, run_seed=self.selection.seed)
                input_sets = (first, *self.selection.budget().input_sets(c.operation, self.selection.seed))
                jobs.append(CheckJob(c, input_sets))
        if jobs:
            self.progress.stage("simulate", len(jobs))
            self.runner.check(jobs, self.selection.folder, self.selection.timeout_s, self._simulated)

    def _simulated(self, record: Record) -> None:
        self.progress.step(f"{variant_key(record.operation, record.variant, record.pass_)}: {record.status.value}")
        self.writer.record(record)

    def _time(self, built: Built) -> None:
        self.progress.stage("time", sum(device in v.devices for case, device in self.work.timed for v in case.variants))
        jobs = []
        for case, device in self.work.timed:
            for variant in case.variants:
                if "cuda" in variant.devices and why_unsupported(variant, case.shape) is None:
                    key = self.work.candidate(case, variant, device).key
                    self.writer.compiled(key, self._facts(built, variant, case.shape))
            ceilings = self.writer.ceilings_of(device)
            jobs.append(self.work.job(case, device, self.writer.done, self.writer.begun, ceilings))
        self.runner.time([job for job in jobs if job.variants], self.writer.take)

    def _facts(self, built: Built, variant: Variant, shape: Shape) -> list[BuildFact]:
        """None where the variant cannot be built: its record says why."""
        with contextlib.suppress(Problem):
            return built.facts(variant, shape, self.work.archs(variant))
        return []

    def _repeat_baselines(self, seconds: float) -> None:
        """Times what runs against itself a second time, in processes of their own and at another time: as far apart as
        that may two runs lie where nothing has changed. As many cases as a share of `seconds` allows, spread over
        all of them; a case that was disturbed either time says nothing."""
        known = [(*pair, record) for pair in self.work.timed if (record := self._to_repeat(*pair)) is not None]
        chosen = known[:: max(1, len(known) // MOST_REPEATED)][:MOST_REPEATED]
        end = time.monotonic() + REPEATED_SHARE * seconds
        if chosen:
            self.progress.stage("again", len(chosen))
        for place, (case, device, record) in enumerate(chosen):
            if place and time.monotonic() > end:
                break
            whole = self.work.job(case, device, {}, {}, self.writer.ceilings_of(record.machine))
            self.runner.time([again(whole, record)], self._timed_again)

    def _to_repeat(self, case: Case, device: Device) -> Record | None:
        record = repeatable(case, device, self.writer.done)
        if record is None or record.machine not in self.runner.places(device):
            return None
        known = self.writer.machine(record.machine).between_runs
        return None if f"{case.operation.key} {case.shape}" in known else record

    def _timed_again(self, job: CaseJob, event: Event) -> None:
        match event:
            case Step():
                self.progress.step(event.text, event.parts)
            case Recorded():
                spread = between(self.writer.done[event.record.key], event.record)
                if spread is not None:
                    self.writer.between_runs(event.record.machine, job.case, spread)
