"""`workbench report`: a run, or a training on several ranks, as one HTML file to send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Kernels, Profiles
from workbench.foreign import is_file


def command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Name or folder of a run, or of a training, or a report (.ncu-rep).")
    ],
    out: Annotated[Path | None, typer.Option(help="The file to write; RUN.html here by default.")] = None,
    profiles: Profiles = Path("profiles"),
    kernels: Kernels = None,
) -> None:
    """Write pictures and tables of a run, or of a training, into one HTML file that opens from disk with no network.

    Of a profiler's report it is what the profiler saw; the file names no folder and no machine of its maker.
    """
    from workbench.distributed.timeline import find_training

    training = None if is_file(run) else find_training(run, profiles)
    if training is not None:
        from workbench.distributed.report import write_training

        file = write_training(training, out or Path(f"{training.name}.html"))
    else:
        file = _of_records(run, out, profiles, kernels)
    print(f"{file} ({file.stat().st_size / 1e6:.1f} MB): open it in a browser, no network needed")


def _of_records(run: str, out: Path | None, profiles: Path, kernels: Path | None) -> Path:
    """Of a run's records, or of those that a profiler's report becomes."""
    from workbench.catalog import load_catalog
    from workbench.show.report import write_report
    from workbench.temporary import temporary_folder
    from workbench.views.runs import run_summary

    catalog = load_catalog(kernels)
    if not is_file(run):
        found = run_summary(run, profiles)
        return write_report(found, catalog, out or Path(f"{found.name}.html"))
    from workbench.profile.import_report import import_as_run

    with temporary_folder() as folder:
        brought = import_as_run(Path(run), folder).run.name
        return write_report(run_summary(brought, folder), catalog, out or Path(f"{Path(run).stem}.html"))
