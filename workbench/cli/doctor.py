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
        from workbench.cli.terminal import Column, Row, print_table, say

        rows = []
        for check in checks:
            fix = f" → {check.fix}" if check.fix else ""
            rows.append(Row((check.name, check.state, check.text + fix), {1: COLOURS[check.state]}))
        print_table("", (Column(""), Column(""), Column("", breaks=True)), rows)
        say("")
        say("a sweep can run here" if runs else "a sweep cannot run here: mend what is wrong above")
    raise typer.Exit(0 if runs else 1)
