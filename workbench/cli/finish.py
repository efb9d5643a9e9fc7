"""`workbench finish`: a run that grew on a machine without pyarrow becomes Parquet here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Profiles


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in --profiles.")],
    profiles: Profiles = Path("profiles"),
) -> None:
    """Close a run: its JSON lines become Parquet, and it never changes again. What it lacks stays missing.

    For runs brought from a machine without pyarrow, or cut off and not to be continued.
    """
    from workbench.store.run_folder import find_run

    folder = find_run(profiles, run)
    if folder.run.finished:
        print(f"{folder.path.name} is finished already; nothing to do")
        return
    folder.finish()
    print(f"{folder.path.name}: {len(folder.records())} records in {folder.path / 'records.parquet'}")
