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
from workbench.problem import Problem, unknown

if TYPE_CHECKING:
    from workbench.sweep.selection import Selection

SETTINGS = AXES


def command(
    operations: Operations = None,
    variants: Variants = "",
    preset: Annotated[
        str, typer.Option(help="quick, standard, gpu, peers or experiment: shapes and patience.")
    ] = "quick",
    dtype: Dtype = "",
    device: Device = "",
    arch: Annotated[str, typer.Option(help="Architectures to compile CUDA variants for.")] = "sm_90,sm_89",
    pass_: Annotated[str, typer.Option("--pass", help="forward.")] = "forward",
    resume: Annotated[str, typer.Option(metavar="RUN", help="Continue a run that was cut off.")] = "",
    name: Annotated[str, typer.Option(help="Name of the run; date and device where none is given.")] = "",
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
    selection = selection_of(
        operations,
        variants,
        dtype,
        kernels,
        timeout,
        preset=preset,
        devices=() if model else words(device),
        archs=words(arch),
        seed=seed,
    )
    if model:
        _modelled(selection, device, as_json)
    else:
        _sweep(selection, profiles, name, resume, as_json)


def _sweep(selection: Selection, profiles: Path, name: str, resume: str, as_json: bool) -> None:
    from workbench.execute.worker import start_server

    start_server()  # it imports torch beside what is imported here
    from workbench.cli.ladder_table import print_ladder, print_ladder_json
    from workbench.cli.progress import BarWatch
    from workbench.store.run_folder import find_run
    from workbench.sweep.session import continue_run, start_run

    folder = find_run(profiles, resume) if resume else start_run(selection, profiles, name or None)
    with BarWatch() as watch:
        try:
            continue_run(folder, watch)
        except KeyboardInterrupt:
            raise Problem(
                f"interrupted; workbench sweep --resume {folder.run.name} goes on from here", exit_status=130
            ) from None
    if as_json:
        print_ladder_json(folder)
    else:
        print_ladder(folder)
    if all(
        r.status.value in ("incorrect", "implausible", "crashed", "timeout", "compile_error") for r in folder.records()
    ):
        raise Problem(f"no variant of {folder.run.name} came through; the reasons stand in the table")


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
