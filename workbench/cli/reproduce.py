"""`workbench reproduce`: a published experiment, run here and laid beside what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import Device, Json, Kernels, Profiles, Timeout, check_timeout, named, words
from workbench.problem import Problem, status_of

if TYPE_CHECKING:
    from workbench.experiments import Experiment
    from workbench.store.run_folder import RunFolder


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The experiment; --list names them.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="Print the experiments that there are.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer sizes, and less time for each.")] = False,
    run: Annotated[
        str, typer.Option(callback=named, metavar="RUN", help="Run nothing; show it from runs (RUN,RUN) or a prefix.")
    ] = "",
    resume: Annotated[str, typer.Option(metavar="PREFIX", help="Continue what was cut off.")] = "",
    prefix: Annotated[
        str, typer.Option("--name", help="Runs are called NAME-SWEEP; experiment and date if none.")
    ] = "",
    device: Device = "",
    timeout: Timeout = 120.0,
    kernels: Kernels = None,
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """Repeat a published experiment by ordinary sweeps, and print its figures beside the published ones.

    --run shows it from runs that are there. Without a GPU CUDA variants have simulated counters and no times.
    """
    from workbench.experiments import load_experiment

    if list_:
        _list(kernels, as_json)
        return
    if not name:
        raise Problem("reproduce: name an experiment; workbench reproduce --list prints them", exit_status=2)
    experiment = load_experiment(name, kernels)
    if run and (resume or quick or device or prefix):
        raise Problem("--run shows what is there: leave --resume, --quick, --device and --name out", exit_status=2)
    if resume and (quick or device or prefix):
        raise Problem("--resume goes on as begun: leave --quick, --device and --name out", exit_status=2)
    if run:
        from workbench.sweep.reproduce import runs_of

        folders = [folder for word in words(run) for folder in runs_of(experiment, word, profiles)]
    else:
        folders = _run(experiment, prefix, resume, quick, device, timeout, kernels, profiles)
    _show(experiment, folders, as_json)


def _list(kernels: Path | None, as_json: bool) -> None:
    from workbench.cli.terminal import Column, print_table
    from workbench.experiments import load_experiments

    found, broken = load_experiments(kernels)
    if as_json:
        import json

        print(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
    else:
        columns = [Column("experiment"), Column("what", breaks=True), Column("source", breaks=True)]
        print_table("", columns, [(one.name, one.title, one.source) for one in found])
    if broken:
        raise Problem("; ".join(map(str, broken)))


def _run(
    experiment: Experiment,
    prefix: str,
    resume: str,
    quick: bool,
    device: str,
    timeout: float,
    kernels: Path | None,
    profiles: Path,
) -> list[RunFolder]:
    from workbench.execute.server_of_workers import start_server

    start_server()  # it imports torch beside what is imported here
    import datetime

    from workbench.cli.progress import ProgressBar
    from workbench.sweep.reproduce import resume_experiment, run_experiment
    from workbench.sweep.selection import Selection

    base = Selection(
        devices=words(device),
        kernels=str(kernels.resolve()) if kernels else "",
        timeout_s=check_timeout(timeout),
    )
    prefix = resume or prefix or f"{experiment.name}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"
    try:
        with ProgressBar() as progress:
            if resume:
                return resume_experiment(experiment, resume, profiles, progress)
            return run_experiment(experiment, prefix, quick, base, profiles, progress)
    except KeyboardInterrupt as ended:
        again = f"workbench reproduce {experiment.name} --resume {prefix}"
        raise Problem(f"interrupted; {again} goes on from here", exit_status=status_of(ended)) from None


def _show(experiment: Experiment, folders: list[RunFolder], as_json: bool) -> None:
    import dataclasses

    from workbench.cli.terminal import Column, print_table, say
    from workbench.show.experiment import COUNTED, HEADINGS, cells, counted_cells, crossing_text, facts
    from workbench.views.experiments import compare_experiment
    from workbench.views.runs import run_summary

    found = compare_experiment(experiment, [run_summary(str(f.path.resolve()), f.path.parent) for f in folders])
    if not found.has_ours and not found.counted:
        names = ", ".join(folder.path.name for folder in folders)
        raise Problem(
            f"{names}: holds no figure of {experiment.name}; workbench reproduce {experiment.name} runs it",
            exit_status=2,
        )
    if as_json:
        import json

        rows = [{**dataclasses.asdict(row), "over_published": row.over_published} for row in found.rows]
        print(json.dumps({"experiment": experiment.model_dump(mode="json"), "rows": rows,
                          "crossings": [dataclasses.asdict(one) for one in found.crossings],
                          "simulated": [dataclasses.asdict(one) for one in found.counted]}, indent=2))  # fmt: skip
    else:
        say(f"{experiment.name}: {experiment.title}", "bold")
        for name, text in facts(experiment):
            say(f"  {name}: {text}")
        right = ("here", "here ÷ published")
        print_table("", [Column(one, right=one in right) for one in HEADINGS], [cells(row) for row in found.rows])
        for cross in found.crossings:
            say(crossing_text(cross))
        if found.counted:
            title = "kernels executed on the host, without a GPU (simulated): no times"
            print_table(title, [Column(one) for one in COUNTED], [counted_cells(one) for one in found.counted])
