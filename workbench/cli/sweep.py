"""`workbench sweep`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import (
    AXES,
    Device,
    Dtype,
    Json,
    Kernels,
    Operations,
    Profiles,
    Timeout,
    Variants,
    selection_of,
    words,
)
from workbench.problem import Ended, Problem, unknown

if TYPE_CHECKING:
    from workbench.store.run_folder import RunFolder
    from workbench.sweep.selection import Selection

SETTINGS = AXES


def command(
    context: typer.Context,
    operations: Operations = None,
    variants: Variants = "",
    preset: Annotated[
        str, typer.Option(help="quick, standard, gpu, peers or experiment: shapes and patience.")
    ] = "quick",
    dtype: Dtype = "",
    device: Device = "",
    arch: Annotated[str, typer.Option(help="Architectures to compile CUDA variants for.")] = "sm_90,sm_89",
    pass_: Annotated[str, typer.Option("--pass", help="forward.")] = "forward",
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Continue a run that was cut off.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run; date and device where none is given.")] = None,
    model: Annotated[bool, typer.Option("--model", help="Print the modelled ladder of --device; run nothing.")] = False,
    timeout: Timeout = 120.0,
    seed: Annotated[int, typer.Option(help="Seed of the interleaving.")] = 0,
    kernels: Kernels = None,
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """Compile, check, time and record variants side by side, then print the ladder.

    Axes of the operations are options too: --T 1024:65536:x2 --B 1,8 --H 256:1024:+256
    """
    if pass_ != "forward":
        raise unknown("pass", pass_, ("forward",))
    _refuse_beside_resume(context, resume)
    selection = selection_of(
        operations,
        variants,
        dtype,
        kernels,
        timeout,
        preset=preset,
        devices=() if model else words(device, "--device"),
        archs=words(arch, "--arch"),
        seed=seed,
    )
    if model:
        _modelled(selection, device, as_json)
    else:
        _sweep(selection, profiles, name, resume, as_json)


WITH_RESUME = {"context", "resume", "profiles", "as_json", "pass_"}
"""What may stand beside --resume: the run itself says everything else."""


def _refuse_beside_resume(context: typer.Context, resume: str | None) -> None:
    if resume is None:
        return
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        if name not in WITH_RESUME and value and source is not None and source.name == "COMMANDLINE":
            word = " ".join(value) if isinstance(value, list | tuple) else f"--{name.rstrip('_').replace('_', '-')}"
            raise Problem(f"{word} has no effect beside --resume: the run goes on as it was begun", exit_status=2)


def _sweep(selection: Selection, profiles: Path, name: str | None, resume: str | None, as_json: bool) -> None:
    from workbench.execute.worker import start_server

    start_server()  # it imports torch beside what is imported here
    from workbench.cli.ladder_table import print_ladder, print_ladder_json
    from workbench.cli.progress import BarWatch
    from workbench.store.run_folder import find_run
    from workbench.sweep.session import continue_run, start_run

    folder = find_run(profiles, resume) if resume is not None else start_run(selection, profiles, name)
    with BarWatch() as watch:
        try:
            continue_run(folder, watch)
        except KeyboardInterrupt as ended:
            status = ended.exit_status if isinstance(ended, Ended) else 130
            raise Problem(f"interrupted; {_go_on(folder)} goes on from here", exit_status=status) from None
    if as_json:
        print_ladder_json(folder)
    else:
        print_ladder(folder)
    if all(
        r.status.value in ("incorrect", "implausible", "crashed", "timeout", "compile_error") for r in folder.records()
    ):
        raise Problem(f"no variant of {folder.run.name} came through; the reasons stand in the table")


def _go_on(folder: RunFolder) -> str:
    """The command that continues the run."""
    elsewhere = "" if folder.path.parent == Path("profiles") else f" --profiles {folder.path.parent}"
    return f"workbench sweep --resume {folder.path.name}{elsewhere}"


def _modelled(selection: Selection, device: str, as_json: bool) -> None:
    from workbench.analyse.modelled import modelled_ladder
    from workbench.catalog import load_catalog
    from workbench.cli.ladder_table import print_modelled
    from workbench.sweep.selection import cases_of

    if not device:
        raise Problem("--model: name the device to model with --device, such as --device h200", exit_status=2)
    catalog = load_catalog(selection.folder)
    problems = [(case.operation.name, case.shape) for case in cases_of(selection, catalog)]
    frame = modelled_ladder(catalog, device, problems, selection.variants)
    print_modelled(frame, device, as_json)
