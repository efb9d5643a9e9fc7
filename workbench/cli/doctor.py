"""`workbench doctor`: what this machine can do, and what would mend the rest."""

from __future__ import annotations

import typer

from workbench.cli.options import Json

COLOURS = {"ok": "green", "missing": "yellow", "wrong": "red"}


def command(as_json: Json = False) -> None:
    """Look at driver, GPU, compilers, profiler and permissions; each line ok, missing or wrong with its fix.

    Exits with 1 where a sweep cannot run.
    """
    from dataclasses import asdict

    from workbench.doctor import can_sweep, diagnose

    checks = diagnose()
    runs = can_sweep(checks)
    if as_json:
        import json

        print(json.dumps({"can_sweep": runs, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for check in checks:
            text = Text(check.text)
            if check.fix:
                text.append(f"\n→ {check.fix}", style="dim")
            table.add_row(check.name, Text(check.state, style=COLOURS[check.state]), text)
        console = Console(highlight=False)
        console.print(table)
        console.print("\na sweep can run here" if runs else "\na sweep cannot run here: mend what is wrong above")
    raise typer.Exit(0 if runs else 1)
