"""`workbench import`: reports made anywhere become runs, or counters beside the records of one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Json, Kernels, Profiles
from workbench.foreign import printable
from workbench.problem import Problem


def command(
    files: Annotated[
        list[Path], typer.Argument(help="Reports (.ncu-rep) or pages of ncu --csv --page raw.", metavar="FILE…")
    ],
    run: Annotated[str, typer.Option(help="Join the launches to the records of this run, by their ranges.")] = "",
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every counter as CSV, a row each.")] = None,
    profiles: Profiles = Path("profiles"),
    kernels: Kernels = None,
    as_json: Json = False,
) -> None:
    """Import Nsight Compute reports from anywhere; needs no GPU and no ncu.

    A report that knows nothing of this workbench becomes a run of its own: a record per kernel, with all its
    metrics and rules. With --run, launches join that run's records by the NVTX ranges around them.
    """
    from workbench.catalog import load_catalog
    from workbench.cli.profile_table import as_json as rows_of
    from workbench.cli.profile_table import print_imported
    from workbench.profile.import_report import import_as_run, import_into_run
    from workbench.store.run_folder import find_run

    catalog = load_catalog(kernels)
    folder = find_run(profiles, run) if run else None
    printed = []
    runs: dict[Path, list[str]] = {}
    failed = False
    for file in dict.fromkeys(files):
        try:
            imported = import_into_run(file, folder) if folder else import_as_run(file, profiles)
        except Problem as problem:
            if len(files) == 1:
                raise
            # One bad report of many does not cost the others.
            print(f"workbench: {printable(str(problem))}", file=sys.stderr)
            failed = True
            continue
        runs.setdefault(imported.run, []).extend(record.key for record in imported.records)
        if as_json:
            printed.append(
                {
                    "file": str(file),
                    "run": str(imported.run),
                    "already": imported.already,
                    "records": rows_of(imported, catalog),
                }
            )
        else:
            print_imported(str(file), imported, catalog)
    if csv is not None:
        write_counters(csv, runs)
    if as_json:
        import json

        print(json.dumps(printed, indent=2))
    if failed:
        raise typer.Exit(1)


def write_counters(csv: Path, runs: dict[Path, list[str]]) -> None:
    """Every counter of these records: run, key, launch, kernel, metric, unit, value, text; in base units."""
    import pandas as pd

    from workbench.durable import write_whole
    from workbench.store.counters import COUNTER_COLUMNS, read_counters

    columns = ["run", *COUNTER_COLUMNS]
    found = [pd.DataFrame(columns=columns)]
    for run, keys in runs.items():
        counters = read_counters(run)
        found.append(counters[counters["key"].isin(keys)].assign(run=run.name)[columns])
    rows = pd.concat(found[1:] or found, ignore_index=True)
    write_whole(csv, rows.to_csv(index=False).encode(errors="replace"))
