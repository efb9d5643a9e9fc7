"""`workbench report`: a run as one HTML file to send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Kernels, Profiles


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or folder of a run, or a report (.ncu-rep).")],
    out: Annotated[Path | None, typer.Option(help="The file to write; RUN.html here by default.")] = None,
    profiles: Profiles = Path("profiles"),
    kernels: Kernels = None,
) -> None:
    """Write a run's pictures and tables into one HTML file that opens from disk with no network.

    Of a profiler's report it is what the profiler saw; the file names no folder and no machine of its maker.
    """
    from workbench.catalog import load_catalog
    from workbench.show.report import write_report
    from workbench.temporary import temporary_folder
    from workbench.views.runs import run_summary

    catalog = load_catalog(kernels)
    if Path(run).is_file():
        from workbench.profile.import_report import import_as_run

        with temporary_folder() as folder:
            brought = import_as_run(Path(run), folder).run.name
            file = write_report(run_summary(brought, folder), catalog, out or Path(f"{Path(run).stem}.html"))
    else:
        found = run_summary(run, profiles)
        file = write_report(found, catalog, out or Path(f"{found.name}.html"))
    print(f"{file} ({file.stat().st_size / 1e6:.1f} MB): open it in a browser, no network needed")
