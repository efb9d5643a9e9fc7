"""`workbench sweep`: the main job."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
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
    Passes,
    Profiles,
    Seed,
    Timeout,
    Variants,
    check_timeout,
    decimal_number,
    named,
    selection_of,
    whole_number,
    words,
)
from workbench.problem import Problem, status_of

if TYPE_CHECKING:
    from workbench.cluster.runner import ClusterRunner
    from workbench.store.run_folder import RunFolder
    from workbench.sweep.selection import Selection

SETTINGS = AXES


def command(
    context: typer.Context,
    operations: Operations = None,
    variants: Variants = "",
    pass_: Passes = "",
    preset: Annotated[
        str, typer.Option(help="quick, standard, gpu, limit, peers, layers, experiment: shapes and patience.")
    ] = "quick",
    dtype: Dtype = "",
    device: Device = "",
    arch: Annotated[
        str,
        typer.Option(
            callback=named,
            help="Architectures to compile CUDA variants for; --device simulated executes each, else the first.",
        ),
    ] = "sm_90,sm_89",
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Continue a run that was cut off.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run; date and device where none is given.")] = None,
    model: Annotated[bool, typer.Option("--model", help="Print the modelled ladder of --device; run nothing.")] = False,
    timeout: Timeout = 120.0,
    seed: Seed = 0,
    seed_order: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Seed of the order in which variants are timed.")
    ] = 0,
    tune: Annotated[
        str, typer.Option(help="How tunables are searched: one-at-a-time, exhaustive, random, tpe (optuna).")
    ] = "one-at-a-time",
    tune_seconds: Annotated[
        float,
        typer.Option(
            parser=decimal_number, metavar="SECONDS", help="Most for a variant at a shape; the preset's if 0."
        ),
    ] = 0.0,
    cluster: Annotated[
        str, typer.Option(metavar="[ADDRESS]", help="On the machines of a Ray cluster; a local Ray if none is named.")
    ] = "",
    on: Annotated[
        str, typer.Option(callback=named, help="Kinds of machines of the cluster, such as h100,rtx4090; all if none.")
    ] = "",
    kernels: Kernels = None,
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """Compile, check, time and record variants side by side, then print the ladder.

    Axes of the operations are options too: --T 1024:65536:x2 --B 1,8 --H 256:1024:+256
    """
    selection = selection_of(
        operations,
        variants,
        pass_,
        dtype,
        kernels,
        timeout,
        preset=preset,
        devices=() if model else words(device),
        archs=words(arch),
        seed=seed,
        seed_order=seed_order,
        tune=tune,
        tune_s=check_timeout(tune_seconds, "--tune-seconds") if tune_seconds else 0.0,
    )
    if on and not cluster:
        raise Problem(f"--on {on}: has no effect without --cluster; leave it out", exit_status=2)
    kinds = words(on)
    if model:
        if cluster:
            raise Problem("--cluster has no effect beside --model, which runs nothing; leave it out", exit_status=2)
        if resume is not None or name is not None:
            given = "--name" if resume is None else "--resume"
            raise Problem(f"{given} has no effect beside --model, which runs nothing; leave it out", exit_status=2)
        _modelled(selection, device, as_json)
    else:
        _sweep(context, selection, profiles, name, resume, as_json, cluster, kinds)


FIELDS = {
    "operations": ("operations", "axes"),
    "variants": ("variants",),
    "pass_": ("passes",),
    "preset": ("preset",),
    "dtype": ("dtypes",),
    "device": ("devices",),
    "arch": ("archs",),
    "timeout": ("timeout_s",),
    "seed": ("seed",),
    "seed_order": ("seed_order",),
    "tune": ("tune",),
    "tune_seconds": ("tune_s",),
    "kernels": ("kernels",),
}
"""Option → the fields of a selection that it decides."""


def _refuse_other_words(context: typer.Context, selection: Selection, folder: RunFolder) -> None:
    """A run goes on as it was begun: whatever is written beside --resume must be what it was begun with."""
    from workbench.sweep.selection import Selection

    begun = Selection.from_dict(folder.run.selection)
    for option, fields in FIELDS.items():
        source = context.get_parameter_source(option)
        given = source is not None and source.name == "COMMANDLINE" and context.params[option]
        if given and any(getattr(selection, field) != getattr(begun, field) for field in fields):
            value = context.params[option]
            word = (
                " ".join(value)
                if isinstance(value, list | tuple)
                else f"--{option.rstrip('_').replace('_', '-')} {value}"
            )
            raise Problem(f"{word}: {folder.path.name} was begun otherwise and goes on so; leave it out", exit_status=2)
    if context.params["name"]:
        raise Problem(f"--name has no effect beside --resume: the run is called {folder.path.name}", exit_status=2)


def _sweep(
    context: typer.Context,
    selection: Selection,
    profiles: Path,
    name: str | None,
    resume: str | None,
    as_json: bool,
    cluster: str,
    kinds: tuple[str, ...],
) -> None:
    from workbench.execute.server_of_workers import start_server

    if not cluster:
        start_server()  # it imports torch beside what is imported here
    from workbench.catalog import load_catalog
    from workbench.cli.ladder_table import print_ladder, print_ladder_json
    from workbench.cli.progress import ProgressBar
    from workbench.stdout import kept_clean
    from workbench.store.run_folder import find_run
    from workbench.sweep.selection import Selection
    from workbench.sweep.session import continue_run
    from workbench.sweep.start import require, start_run

    folder = None
    try:
        with contextlib.ExitStack() as held:
            if resume is not None:
                folder = find_run(profiles, resume)
                _refuse_other_words(context, selection, folder)
            elif cluster:
                with kept_clean():
                    require(selection, name)  # before a cluster is joined, or one started for seconds
            runner = held.enter_context(_on_cluster(cluster, kinds, selection, folder)) if cluster else None
            if folder is None:
                folder = start_run(selection, profiles, name, runner)
            if runner is not None:
                runner.run = folder.path.name
            progress = held.enter_context(ProgressBar())
            catalog = continue_run(folder, progress, runner)
    except KeyboardInterrupt as ended:
        if folder is None:
            raise
        raise Problem(f"interrupted; {folder.resume_command} goes on from here", exit_status=status_of(ended)) from None
    if as_json:
        print_ladder_json(folder)
    else:
        print_ladder(folder)
    failed = ""
    if all(
        r.status.value in ("incorrect", "implausible", "crashed", "timeout", "compile_error") for r in folder.records()
    ):
        failed = f"no variant of {folder.path.name} came through; the reasons stand in the table"
    begun = Selection.from_dict(folder.run.selection)
    (catalog or load_catalog(begun.folder)).complain(begun.operations, failed)


@contextlib.contextmanager
def _on_cluster(
    address: str, kinds: tuple[str, ...], selection: Selection, folder: RunFolder | None
) -> Iterator[ClusterRunner]:
    """The machines of the cluster, for a new run or for one that goes on."""
    from workbench.cluster.connect import connected
    from workbench.sweep.selection import Selection

    begun = selection if folder is None else Selection.from_dict(folder.run.selection)
    with connected(address, begun.folder):
        from workbench.cluster.runner import ClusterRunner

        known = [] if folder is None else folder.run.machines
        with ClusterRunner(begun.folder, begun.devices, kinds, known) as runner:
            yield runner


def _modelled(selection: Selection, device: str, as_json: bool) -> None:
    from workbench.catalog import load_catalog
    from workbench.cli.ladder_table import print_modelled
    from workbench.model.modelled import modelled_ladder
    from workbench.sweep.selection import cases_of

    if not device:
        raise Problem("--model: name the device to model with --device, such as --device h200", exit_status=2)
    catalog = load_catalog(selection.folder)
    problems = [(case.operation.key, case.shape) for case in cases_of(selection, catalog)]
    frame = modelled_ladder(catalog, device, problems, selection.variants)
    print_modelled(frame, device, as_json)
