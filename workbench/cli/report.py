"""`workbench report`: a run, or a training on several ranks, as one HTML file to send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Kernels, Profiles


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or folder of a run, or of a training.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; RUN.html here by default.")] = None,
    profiles: Profiles = Path("profiles"),
    kernels: Kernels = None,
) -> None:
    """Write pictures and tables of a run, or of a training, into one HTML file that opens from disk with no network."""
    from workbench.distributed.timeline import find_training

    training = find_training(run, profiles)
    if training is not None:
        from workbench.distributed.report import write_training

        file = write_training(training, out or Path(f"{training.name}.html"))
    else:
        from workbench.catalog import load_catalog
        from workbench.show.report import write_report
        from workbench.views.runs import run_summary

        found = run_summary(run, profiles)
        file = write_report(found, load_catalog(kernels), out or Path(f"{found.name}.html"))
    print(f"{file} ({file.stat().st_size / 1e6:.1f} MB): open it in a browser, no network needed")
