"""`workbench dispatch`: measured runs → the table that layers choose their kernels by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Json, Profiles
from workbench.problem import Problem


def command(
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Runs; all of them by default.")] = None,
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="The table to write.")] = None,
    profiles: Profiles = Path("profiles"),
    as_json: Json = False,
) -> None:
    """The fastest measured variant of each operation, pass, device, dtype and shape; ties where none is slower."""
    from workbench.cli.terminal import Column, Row, print_table, say
    from workbench.dispatch.export import entries
    from workbench.dispatch.table import write_table
    from workbench.quantity import quantity
    from workbench.views.runs import list_summaries, run_summary

    chosen = [run_summary(name, profiles) for name in runs] if runs else list(list_summaries(profiles))
    found, problems = entries(chosen)
    if not found:
        raise Problem(f"{profiles}: no run has timed anything; workbench sweep does")
    if export is not None:
        write_table(export, found)
    if as_json:
        import json
        from dataclasses import asdict

        print(json.dumps([{name.rstrip("_"): value for name, value in asdict(e).items()} for e in found], indent=2))
    elif export is None:
        columns = [Column("operation"), Column("shape"), Column("variant"), Column("median", right=True), Column("tie"),
                   Column("run")]  # fmt: skip
        table = [
            Row(
                [
                    f"{e.operation} {e.pass_}",
                    " ".join(f"{axis}={size}" for axis, size in e.sizes.items()) + f" {e.dtype} {e.device}",
                    e.variant,
                    quantity(e.median_s, "s"),
                    ", ".join(e.tie),
                    e.run,
                ]
            )
            for e in found
        ]
        print_table("The fastest variant at each measured shape", columns, table)
    for problem in problems:
        say(f"note: {problem}")
    if export is not None:
        say(f"{export}: {len(found)} shapes; layers use it where WORKBENCH_DISPATCH names it")
