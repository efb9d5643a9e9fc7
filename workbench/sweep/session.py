"""One sweep from start to finish, or from where it was cut off to finish."""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from workbench.build import check_arch
from workbench.catalog import Catalog, load_catalog
from workbench.check.case import Draw
from workbench.check.examine import ARCH
from workbench.declare import Device, Shape, Variant, variant_key
from workbench.declared import DeclarationError
from workbench.execute.failures import FAILURES
from workbench.execute.here import default_devices, device_name, gpu_arch, gpu_name, why_unsupported
from workbench.execute.server_of_workers import start_server
from workbench.execute.worker import Worker
from workbench.foreign import reading
from workbench.measure.ceilings import Measured, together
from workbench.measure.noise import between, noise_floor
from workbench.problem import Problem, unknown
from workbench.stdout import kept_clean
from workbench.store.record import BuildFact, CeilingsMeasured, Machine, Record, Run, Status
from workbench.store.run_folder import RUN, RunFolder, check_name, create_run
from workbench.sweep.building import Built, build_all, units_for
from workbench.sweep.catalogue import slice_of, sources_in
from workbench.sweep.checking import CheckJob, has_kernels, run_checks
from workbench.sweep.environment import environment, machine_of
from workbench.sweep.memory import require_fit
from workbench.sweep.records import Subject
from workbench.sweep.repeated import MOST_REPEATED, REPEATED_SHARE, as_known, repeatable
from workbench.sweep.selection import Case, Selection, cases_of, dtypes_of, small_shape
from workbench.sweep.simulating import Counted, CountJob, count_all, job_for, with_counts
from workbench.sweep.timing import CaseTimer
from workbench.sweep.watch import Watch
from workbench.temporary import clear_once


def start_run(selection: Selection, profiles: Path, name: str | None) -> RunFolder:
    """A new run for a selection, after everything that a user can get wrong in it has been looked at."""
    if name is not None:
        check_name(name)
    with kept_clean():
        _validate(selection)
    devices = selection.devices or default_devices()
    now = datetime.datetime.now(datetime.UTC)
    run = Run(
        name=name or f"{now:%Y%m%d-%H%M%S}-{_slug(device_name(devices[0]))}",
        created=now.isoformat(timespec="seconds"),
        command=["workbench", *sys.argv[1:]],
        machines=[machine_of(backend) for backend in _backends(devices)],
        environment=environment(selection.kernels),
        selection=selection.as_dict(),
    )
    return create_run(profiles, run)


def _validate(selection: Selection) -> None:
    for case in cases_of(selection, load_catalog(selection.folder)):
        with contextlib.suppress(DeclarationError):  # it costs the case's records, which say what is wrong
            require_fit(case.operation, case.shape)
    for arch in selection.archs:
        check_arch(arch)
    for device in selection.devices:
        if device not in ("cuda", "cpu"):
            raise unknown("device", device, ("cuda", "cpu"))
        if device == "cuda" and gpu_name() is None:
            raise Problem("--device cuda: this machine has no NVIDIA GPU or no driver; workbench doctor says which")


def continue_run(folder: RunFolder, watch: Watch) -> Catalog | None:
    """Does what is still missing of a run: all of a new one. Returns the catalogue that it was done with; None where
    the run is finished and there is nothing to do."""
    clear_once()
    with folder.writing():
        if folder.run.finished:
            watch.note(f"{folder.path.name} is finished; nothing to do")
            return None
        with kept_clean():
            sweep = _Sweep(folder, watch)
            sweep.run()
    return sweep.catalog


class _Sweep:
    """The stages in their order: build, ceilings, counting, simulation, timing, ceilings again, finish."""

    def __init__(self, folder: RunFolder, watch: Watch) -> None:
        self.folder = folder
        self.watch = watch
        with reading(folder.path / RUN, "what it was begun with cannot be read", "start a new run"):
            self.selection = Selection.from_dict(folder.run.selection)
            self.kernels = self.selection.folder
            self.catalog: Catalog = load_catalog(self.kernels)
            self.cases: list[Case] = cases_of(self.selection, self.catalog)
        for problem in self.catalog.broken.values() if not self.selection.operations else ():
            watch.note(f"left out: {problem}")
        self.devices: tuple[str, ...] = self.selection.devices or default_devices()
        self.done = {record.key: record for record in folder.records()}
        self.counted: dict[str, Counted] = {}
        self.slice = slice_of((case.operation, variant) for case in self.cases for variant in case.variants)

    def run(self) -> None:
        start_server()
        self.folder.update(catalogue=self.slice)
        built = self._build()
        self._measure_ceilings()
        self._count(built)
        self._simulate(built)
        begin = time.monotonic()
        self._time(built)
        self._repeat_baselines(built, time.monotonic() - begin)
        self._measure_ceilings("end")
        if importlib.util.find_spec("pyarrow") is None:
            name, finish = self.folder.path.name, self.folder.command("finish")
            self.watch.note(f"{name} is complete, as JSON lines; where pyarrow is, finish it: {finish}")
        else:
            self.folder.finish()

    # --------------------------------------------------------------------------------------------------- stages

    def _build(self) -> Built:
        wanted = []
        for variant, shape in self._small_shapes():
            if self._subject(variant, shape, "simulated").broken() is None:
                checked = (ARCH,) if self._is_simulated(variant) else ()
                wanted += units_for(variant, shape, dict.fromkeys((*self._archs(variant), *checked)))
        for case in self.cases:
            for variant in case.variants:
                if why_unsupported(variant, case.shape) is None and "cuda" not in variant.devices:
                    # What is wrong with its plan is in the record that timing it gives.
                    with contextlib.suppress(DeclarationError):
                        wanted += units_for(variant, case.shape, ())
        simulates = any(self._is_simulated(variant) for variant, _ in self._small_shapes())
        return build_all(wanted, self.watch, simulates)

    def _measure_ceilings(self, when: str = "start") -> None:
        """Of every device that the run times: each is held against its own. Once at the start and once at the end,
        where a run that was cut off goes on with what it lacks."""
        lacking = [device for device in self.devices if not self._has_measured(device, when)]
        if lacking:
            self.watch.stage("ceilings" if when == "start" else "ceilings again", len(lacking))
        for device in lacking:
            worker = Worker("workbench.sweep.ceilings:Ceilings", device)
            try:
                found = worker.call(
                    "measure",
                    self.selection.effort().ceilings_s,
                    timeout_s=max(120.0, self.selection.timeout_s),
                    returns=Measured,
                )
                self._found_ceilings(device, when, found)
            except FAILURES as failure:
                self.watch.note(
                    f"ceilings of {device} could not be measured ({failure}); shares and floors will be missing"
                )
            finally:
                worker.close()
            self.watch.step(f"ceilings of {device}")

    def _has_measured(self, device: str, when: str) -> bool:
        machine = self._machine(device)
        if when == "start":
            return bool(machine.ceilings)
        # A second time makes sense beside a first, and where this run has timed something with it.
        return not machine.ceilings or any(one.when == when for one in machine.measurements)

    def _found_ceilings(self, device: str, when: str, found: Measured) -> None:
        machine = self._machine(device)
        once = CeilingsMeasured(
            when=when, rates=found.rates, under_load=list(found.under_load), reasons=list(found.reasons)
        )
        changed = {
            "ceilings": together(machine.ceilings, found.rates),
            "measurements": [*machine.measurements, once],
        }
        self.folder.update_machine(machine.model_copy(update=changed))

    def _count(self, built: Built) -> None:
        """Counts what the machine code of CUDA variants does, for the records that their checks will give."""
        if "cuda" in self.devices:
            return  # nothing is simulated, and the journal need not be read for it
        jobs, before = [], self._counted_before()
        arch = next(iter(self.selection.archs), "")
        for variant, shape in self._small_shapes():
            subject = self._subject(variant, shape, "simulated")
            if not self._is_simulated(variant) or subject.key in self.done or subject.broken() is not None:
                continue
            if subject.key in before:
                self.counted[subject.key] = before[subject.key]
            elif built.failure(units_for(variant, shape, self._archs(variant))) is None:
                most = self.selection.effort().counted
                job = job_for(subject.key, variant, subject.operation, shape.dtype, self.cases, arch, most)
                jobs += [job] if job is not None else []
        if not jobs:
            return
        self.watch.stage("count", len(jobs))
        try:
            count_all(jobs, self.kernels, self.selection.timeout_s, self._keep_counted)
        except Problem as problem:
            self.watch.note(f"nothing was counted: {problem}")

    def _keep_counted(self, job: CountJob, found: Counted) -> None:
        self.counted[job.key] = found
        self.folder.journal({"counted": job.key, "found": found.model_dump(mode="json", by_alias=True)})
        self.watch.step(f"{job.variant.key}: counted")

    def _counted_before(self) -> dict[str, Counted]:
        """What was counted before the run was cut off, by the keys of records."""
        found: dict[str, Counted] = {}
        for entry in self.folder.journal_entries():
            with contextlib.suppress(KeyError, TypeError, ValueError):
                found[str(entry["counted"])] = Counted.model_validate(entry["found"])
        return found

    def _simulate(self, built: Built) -> None:
        jobs = []
        for variant, shape in self._small_shapes():
            if not self._is_simulated(variant):
                continue
            subject = self._subject(variant, shape, "simulated")
            if subject.key in self.done:
                continue
            broken = subject.broken()
            archs = self._archs(variant)
            verdict = (Status.CRASHED, broken) if broken else built.verdict(variant, shape, archs)
            if verdict is not None:
                self._append(subject.record(verdict[0], reason=verdict[1]))
            else:
                subject = self._subject(variant, shape, "simulated", built.facts(variant, shape, archs))
                draws = (Draw(subject.operation.regimes[0], 0), *self.selection.effort().draws(subject.operation))
                jobs.append(CheckJob(subject, draws))
        if jobs:
            self.watch.stage("simulate", len(jobs))
            run_checks(jobs, self.kernels, self.selection.timeout_s, self._simulated)

    def _time(self, built: Built) -> None:
        pairs = [(case, device) for device in self.devices for case in self.cases]
        count = sum(device in v.devices for case, device in pairs for v in case.variants)
        self.watch.stage("time", count)
        earlier = self._journal()
        for case, device in pairs:
            self._time_case(case, _device(device), built, earlier)

    def _repeat_baselines(self, built: Built, seconds: float) -> None:
        """Times what runs against itself a second time, in processes of their own and at another time: as far apart as
        that may two runs lie where nothing has changed. As many cases as a share of `seconds` allows, spread over
        all of them; a case that was disturbed either time says nothing."""
        pairs = [(case, _device(device)) for device in self.devices for case in self.cases]
        known = [(*pair, record) for pair in pairs if (record := self._to_repeat(*pair)) is not None]
        chosen = known[:: max(1, len(known) // MOST_REPEATED)][:MOST_REPEATED]
        end = time.monotonic() + REPEATED_SHARE * seconds
        if chosen:
            self.watch.stage("again", len(chosen))
        for place, (case, device, record) in enumerate(chosen):
            if place and time.monotonic() > end:
                break
            again = self._timer(case, device, built, as_known(record), lambda entry: None)
            again.only = record.variant
            found, _ = again.run(set())
            spread = between(record, found[0])
            if spread is not None:
                machine = self._machine(device)
                spreads = {**machine.between_runs, f"{case.operation.key} {case.shape}": spread}
                self.folder.update_machine(machine.model_copy(update={"between_runs": spreads}))

    def _to_repeat(self, case: Case, device: Device) -> Record | None:
        known = self._machine(device).between_runs
        return None if f"{case.operation.key} {case.shape}" in known else repeatable(case, device, self.done)

    def _time_case(self, case: Case, device: Device, built: Built, earlier: dict[str, dict[str, Any]]) -> None:
        records, spread = self._timer(case, device, built, earlier, self.folder.journal).run(set(self.done))
        for record in records:
            self._append(record)
        if spread is not None:
            machine = self._machine(device)
            spreads = {**machine.spreads, f"{case.operation.key} {case.shape}": spread}
            found = {"spreads": spreads, "noise_floor": noise_floor(spreads.values())}
            self.folder.update_machine(machine.model_copy(update=found))

    def _timer(
        self,
        case: Case,
        device: Device,
        built: Built,
        earlier: dict[str, dict[str, Any]],
        journal: Callable[[dict[str, Any]], None],
    ) -> CaseTimer:
        return CaseTimer(
            case=case,
            device=device,
            kernels=self.kernels,
            effort=self.selection.effort(),
            timeout_s=self.selection.timeout_s,
            seed=self.selection.seed,
            watch=self.watch,
            journal=journal,
            earlier=earlier,
            facts={v.name: self._facts(built, v, case.shape) for v in self._runnable(case)},
            ceilings=self._machine(device).ceilings,
        )

    # ---------------------------------------------------------------------------------------------------- parts

    def _subject(self, variant: Variant, shape: Shape, backend: str, facts: Iterable[BuildFact] = ()) -> Subject:
        return Subject(variant, self.catalog.operation_of(variant), shape, backend, tuple(facts))

    def _facts(self, built: Built, variant: Variant, shape: Shape) -> list[BuildFact]:
        """None where the variant cannot be built: its record says why."""
        with contextlib.suppress(Problem):
            return built.facts(variant, shape, self._archs(variant))
        return []

    def _runnable(self, case: Case) -> list[Variant]:
        return [v for v in case.variants if "cuda" in v.devices and why_unsupported(v, case.shape) is None]

    def _small_shapes(self) -> list[tuple[Variant, Shape]]:
        """Every CUDA variant at its operation's small shape, in each dtype asked for."""
        found = []
        for variant in {v.key: v for case in self.cases for v in case.variants}.values():
            operation = self.catalog.operation_of(variant)
            for dtype in dtypes_of(self.cases, operation.key):
                shape = small_shape(operation, dtype)
                if "cuda" in variant.devices and why_unsupported(variant, shape) is None:
                    found.append((variant, shape))
        return found

    def _archs(self, variant: Variant) -> tuple[str, ...]:
        if "cuda" not in variant.devices:
            return ()
        if "cuda" in self.devices:
            return tuple(dict.fromkeys((*filter(None, [gpu_arch()]), *self.selection.archs)))
        return self.selection.archs

    def _is_simulated(self, variant: Variant) -> bool:
        """Where there is no GPU, variants that run nowhere else here are simulated."""
        return "cuda" not in self.devices and has_kernels(variant)

    def _journal(self) -> dict[str, dict[str, Any]]:
        """Samples of records that an interruption left unfinished, by key."""
        found: dict[str, dict[str, Any]] = {}
        for entry in self.folder.journal_entries():
            # An entry that lacks something, or holds something else, is progress lost and no more.
            with contextlib.suppress(KeyError, TypeError, ValueError):
                key, settings = str(entry["key"]), dict(entry["settings"])
                samples, spent = [float(s) for s in entry["samples_s"]], float(entry["spent_s"])
                fresh = {"settings": settings, "samples_s": [], "spent_s": 0.0, "blocks": 0, "disturbed": 0}
                known = found.setdefault(key, fresh)
                known["samples_s"] += samples
                known["spent_s"] += spent
                known["blocks"] += 1
                known["disturbed"] += bool(entry.get("disturbed"))
        return found

    def _simulated(self, record: Record) -> None:
        self.watch.step(f"{variant_key(record.operation, record.variant, record.pass_)}: {record.status.value}")
        self._append(record)

    def _append(self, record: Record) -> None:
        record = record.model_copy(update={"sources": sources_in(self.slice, record)})
        record = with_counts(record, self.counted.get(record.key))
        self.folder.append(record)
        self.done[record.key] = record

    def _machine(self, device: str) -> Machine:
        """The run's machine of that device; that of here where the run, begun by an older workbench, has none."""
        known = {machine.id: machine for machine in self.folder.run.machines}
        return known.get(device) or machine_of(device)


def _backends(devices: Iterable[str]) -> tuple[str, ...]:
    """Where records of a sweep come from: its devices, and the simulator where there is no GPU among them."""
    return (*devices,) if "cuda" in devices else (*devices, "simulated")


def _device(name: str) -> Device:
    return "cuda" if name == "cuda" else "cpu"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]
