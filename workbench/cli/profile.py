"""`workbench profile`: a run's variants again, under Nsight Compute, and the counters laid beside the times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import (
    AXES,
    Dtype,
    Json,
    Operations,
    Profiles,
    Variants,
    check_timeout,
    decimal_number,
    named,
    split_axes,
    words,
)

SETTINGS = AXES


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in --profiles.")],
    operations: Operations = None,
    variants: Variants = "",
    dtype: Dtype = "",
    pass_: Annotated[str, typer.Option("--pass", callback=named, help="Passes, comma-separated.")] = "",
    keys: Annotated[str, typer.Option(callback=named, help="Exactly these records, comma-separated.")] = "",
    budget: Annotated[
        float,
        typer.Option(parser=decimal_number, metavar="SECONDS", help="Seconds under ncu that one variant may take."),
    ] = 60.0,
    section: Annotated[
        str, typer.Option(callback=named, help="Sections of ncu instead of the usual ones, comma-separated.")
    ] = "",
    set_: Annotated[str, typer.Option("--set", help="A set of ncu instead: basic, detailed, full, roofline.")] = "",
    cache: Annotated[str, typer.Option(help="all: caches flushed before each replay; none: as in a pipeline.")] = "all",
    timeout: Annotated[
        float, typer.Option(parser=decimal_number, metavar="SECONDS", help="Seconds that all of it may take.")
    ] = 1800.0,
    ncu: Annotated[str, typer.Option(help="The ncu to run.")] = "ncu",
    print_command: Annotated[bool, typer.Option("--print-command", help="Print the ncu command and stop.")] = False,
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """Run the best setting of each variant under Nsight Compute, one NVTX range per record; keep report and counters.

    Takes the run's largest shape that fits --budget; axes select others: --T 4096,16384.

    Nothing is timed here: times come from the sweep, counters from ncu.
    """
    import shlex
    import sys

    from workbench.compile.cache import cache_folder
    from workbench.profile.collect import collect
    from workbench.profile.command import SECTIONS, Collection, find_ncu, ncu_command
    from workbench.profile.select import Wanted, select, write_selection
    from workbench.store.run_folder import find_run

    check_timeout(budget, "--budget")
    check_timeout(timeout)
    folder = find_run(profiles, run)
    chosen, axes = split_axes(operations)
    passes, exactly = words(pass_), words(keys)
    wanted = Wanted(chosen, words(variants), axes, words(dtype), passes, exactly, budget)
    selected = select(folder, wanted)
    collection = Collection(words(section) or SECTIONS, set_, cache)
    selection = write_selection(folder, selected.records, cache_folder() / "profile")
    for line in selected.left_out:
        print(f"note: left out {line}", file=sys.stderr)
    if print_command:
        keyed = [(record.key, record.pass_) for record in selected.records]
        print(shlex.join(ncu_command(ncu, selection, keyed, Path(f"{folder.run.name}.ncu-rep"), collection)))
        return
    program = find_ncu(ncu)
    print(f"{len(selected.records)} records under ncu, about {selected.seconds:,.0f} s", file=sys.stderr)
    collected = collect(
        folder, selected.records, selection, program, collection, timeout,
        on_kernel=lambda kernel: print(f"  {kernel}", file=sys.stderr),
    )  # fmt: skip
    for line in collected.notes:
        print(f"note: {line}", file=sys.stderr)
    _show(run, collected.imported, folder.run.selection.get("kernels"), as_json)


def _show(source: str, imported: object, kernels: str | None, as_json: bool) -> None:
    from workbench.catalog import load_catalog
    from workbench.cli.profile_table import as_json as rows_of
    from workbench.cli.profile_table import print_imported
    from workbench.profile.import_report import Imported

    assert isinstance(imported, Imported)
    catalog = load_catalog(Path(kernels) if kernels else None)
    if as_json:
        import json

        print(json.dumps(rows_of(imported, catalog), indent=2))
    else:
        print_imported(source, imported, catalog)
