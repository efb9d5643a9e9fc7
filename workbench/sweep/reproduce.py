"""An experiment's sweeps as ordinary runs, PREFIX-SWEEP each, which go on where they were cut off."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from workbench.experiments import Experiment, Sweep
from workbench.problem import Problem
from workbench.store.run_folder import RunFolder, find_run, open_run, run_files
from workbench.sweep.growth import start_growth
from workbench.sweep.progress import Progress
from workbench.sweep.runner import Runner
from workbench.sweep.selection import Selection
from workbench.sweep.session import continue_run
from workbench.sweep.start import start_run


def selection_for(sweep: Sweep, quick: bool, base: Selection) -> Selection:
    """The sweep's selection; devices, kernels, seeds and timeout are those of `base`. A quick one is of fewer sizes,
    each for less time."""
    axes = {**sweep.axes, **(sweep.quick if quick else {})}
    return dataclasses.replace(
        base,
        operations=sweep.operations,
        passes=sweep.passes,
        variants=sweep.variants,
        axes=tuple(axes.items()),
        dtypes=sweep.dtypes,
        preset="quick" if quick else "standard",
    )


def run_experiment(
    experiment: Experiment,
    prefix: str,
    quick: bool,
    base: Selection,
    profiles: Path,
    progress: Progress,
    runner: Runner | None = None,
) -> list[RunFolder]:
    """Finished runs; `runner` as in a sweep. All are begun before the first is timed: each can go on by itself."""
    begun = []
    for sweep in experiment.sweeps:
        if quick and sweep.full_only:
            continue
        selection, name = selection_for(sweep, quick, base), f"{prefix}-{sweep.name}"
        started = start_growth if sweep.is_growth else functools.partial(start_run, runner=runner)
        begun.append((sweep, started(selection, profiles, name)))
    for sweep, folder in begun:
        progress.note(f"{experiment.name}: {sweep.name}")
        continue_run(folder, progress, None if sweep.is_growth else runner)
    return [open_run(folder.path) for _, folder in begun]


def runs_of(experiment: Experiment, text: str, profiles: Path) -> list[RunFolder]:
    """The runs of a prefix; else the one run of that name."""
    known = {file.parent.name for file in run_files(profiles)}
    found = [f"{text}-{sweep.name}" for sweep in experiment.sweeps if f"{text}-{sweep.name}" in known]
    return [find_run(profiles, name) for name in found or [text]]


def resume_experiment(
    experiment: Experiment, prefix: str, profiles: Path, progress: Progress, runner: Runner | None = None
) -> list[RunFolder]:
    """Goes on with each of an experiment's runs; Problem where it has none."""
    folders = runs_of(experiment, prefix, profiles)
    if not any(folder.run.selection for folder in folders):
        raise Problem(f"--resume {prefix}: no run of a sweep that could go on; --run {prefix} shows it", exit_status=2)
    for folder in folders:
        continue_run(folder, progress, runner)
    return [open_run(folder.path) for folder in folders]
