"""A new run for a selection, after everything that a user can get wrong in it has been looked at."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from workbench.catalog import load_catalog
from workbench.compile import check_arch
from workbench.declared import DeclarationError
from workbench.devices import devices
from workbench.problem import Problem, unknown
from workbench.stdout import kept_clean
from workbench.store.new_run import check_name, create_run
from workbench.store.record import Machine, Run
from workbench.store.run_folder import RunFolder
from workbench.sweep.checking import BACKENDS, SIMULATED
from workbench.sweep.records import simulated_machine
from workbench.sweep.runner import ProcessTree, Runner
from workbench.sweep.selection import Case, Selection, cases_of
from workbench.sweep.simulating import require_known_gpu


def start_run(selection: Selection, profiles: Path, name: str | None, runner: Runner | None = None) -> RunFolder:
    """The new run's folder. `runner`: who will do the jobs; this process and its workers where none is named."""
    runner = runner or ProcessTree()
    with kept_clean():
        _require_fit(require(selection, name), runner)
    # Where it is timed is found out once: a run that goes on elsewhere goes on with the same devices.
    selection = dataclasses.replace(selection, devices=selection.devices or runner.devices()[:1])
    if "cuda" in selection.devices and "cuda" not in runner.devices():
        raise Problem(f"--device cuda: {runner.place} has no NVIDIA GPU or no driver; workbench doctor says which")
    machines = [
        machine for backend in _backends(selection.devices) for machine in _machines(backend, selection, runner)
    ]
    now = datetime.datetime.now(datetime.UTC)
    run = Run(
        name=name or f"{now:%Y%m%d-%H%M%S}-{_slug(machines[0].name)}",
        created=now.isoformat(timespec="seconds"),
        command=["workbench", *sys.argv[1:]],
        machines=machines,
        environment=runner.environment(selection.kernels),
        selection=selection.as_dict(),
    )
    return create_run(profiles, run)


def require(selection: Selection, name: str | None) -> list[Case]:
    """The selection's cases. Raises Problem for all that can be seen to be wrong without whoever is to do them."""
    if name is not None:
        check_name(name)
    cases = cases_of(selection, load_catalog(selection.folder))
    for arch in selection.archs:
        check_arch(arch)
    for device in selection.devices:
        if device in devices():
            what = f"--device {device} is not at hand here: known: {', '.join(BACKENDS)}"
            raise Problem(f"{what}; --model models it, `workbench best` says what to try on it", exit_status=2)
        if device not in BACKENDS:
            raise unknown("device", device, BACKENDS)
        for arch in selection.archs if device == SIMULATED else ():
            require_known_gpu(arch)
    return cases


def _require_fit(cases: Iterable[Case], runner: Runner) -> None:
    for case in cases:
        with contextlib.suppress(DeclarationError):  # it costs the case's records, which say what is wrong
            runner.require_fit(case)


def _backends(asked: Iterable[str]) -> tuple[str, ...]:
    """Where records of a sweep come from: its devices, and the simulator where there is no GPU among them."""
    return (*dict.fromkeys((*asked, *(() if "cuda" in asked else (SIMULATED,)))),)


def _machines(backend: str, selection: Selection, runner: Runner) -> list[Machine]:
    """One for each architecture where simulating them was asked for."""
    found = [runner.machine(id_) for id_ in runner.places(backend)]
    if backend != SIMULATED or SIMULATED not in selection.devices:
        return found
    return [
        machine.model_copy(update={"id": simulated_machine(arch), "name": f"simulated {arch}", "arch": arch})
        for machine in found[:1]
        for arch in selection.archs
    ]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]
