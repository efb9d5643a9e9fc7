"""A new run for a selection, after everything that a user can get wrong in it has been looked at."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from workbench.build import check_arch
from workbench.catalog import load_catalog
from workbench.declared import DeclarationError
from workbench.problem import Problem, unknown
from workbench.stdout import kept_clean
from workbench.store.new_run import check_name, create_run
from workbench.store.record import Run
from workbench.store.run_folder import RunFolder
from workbench.sweep.runner import ProcessTree, Runner
from workbench.sweep.selection import Selection, cases_of


def start_run(selection: Selection, profiles: Path, name: str | None, runner: Runner | None = None) -> RunFolder:
    """The new run's folder. `runner`: who will do the jobs; this process and its workers where none is named."""
    if name is not None:
        check_name(name)
    runner = runner or ProcessTree()
    with kept_clean():
        _validate(selection, runner)
    # Where it is timed is found out once: a run that goes on elsewhere goes on with the same devices.
    selection = dataclasses.replace(selection, devices=selection.devices or runner.devices()[:1])
    if "cuda" in selection.devices and "cuda" not in runner.devices():
        raise Problem(f"--device cuda: {runner.place} has no NVIDIA GPU or no driver; workbench doctor says which")
    machines = [runner.machine(id_) for backend in _backends(selection.devices) for id_ in runner.places(backend)]
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


def _validate(selection: Selection, runner: Runner) -> None:
    for case in cases_of(selection, load_catalog(selection.folder)):
        with contextlib.suppress(DeclarationError):  # it costs the case's records, which say what is wrong
            runner.require_fit(case)
    for arch in selection.archs:
        check_arch(arch)
    for device in selection.devices:
        if device not in ("cuda", "cpu"):
            raise unknown("device", device, ("cuda", "cpu"))


def _backends(devices: Iterable[str]) -> tuple[str, ...]:
    """Where records of a sweep come from: its devices, and the simulator where there is no GPU among them."""
    return (*devices,) if "cuda" in devices else (*devices, "simulated")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]
