"""`workbench report`: a run as one HTML file to send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Kernels, Profiles


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or folder of a run.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; RUN.html here by default.")] = None,
    profiles: Profiles = Path("profiles"),
    kernels: Kernels = None,
) -> None:
    """Write a run's pictures and tables into one HTML file that opens from disk with no network."""
    from workbench.catalog import load_catalog
    from workbench.show.report import write_report
    from workbench.views.runs import run_summary

    found = run_summary(run, profiles)
    file = write_report(found, load_catalog(kernels), out or Path(f"{found.name}.html"))
    print(f"{file} ({file.stat().st_size / 1e6:.1f} MB): open it in a browser, no network needed")
