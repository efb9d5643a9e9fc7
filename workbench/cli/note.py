"""`workbench note`: what a person has to say of a run, shown on the page Runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Profiles, words


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name or folder of a run.")],
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The note; '' removes it.")] = None,
    tags: Annotated[
        str | None, typer.Option(help="Words to find the run by, comma-separated; '' removes them.")
    ] = None,
    profiles: Profiles = Path("profiles"),
) -> None:
    """Write a note or tags beside a run, or print those that are there. Records stay as they are."""
    from dataclasses import replace

    from workbench.store.notes import read_notes, write_notes
    from workbench.store.run_folder import find_run

    folder = find_run(profiles, run).path
    notes = read_notes(folder)
    if text is not None:
        notes = replace(notes, text=text.strip())
    if tags is not None:
        notes = replace(notes, tags=words(tags))
    if text is not None or tags is not None:
        write_notes(folder, notes)
    print(f"{folder.name}: {notes.text or 'no note'}" + (f" [{', '.join(notes.tags)}]" if notes.tags else ""))
