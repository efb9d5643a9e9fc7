"""The command line: parses, calls, prints.

Each command is a function in a file of its own; its heavy imports stand inside it, so that `--help` is quick.
"""

from __future__ import annotations

import importlib
import os
import sys

import typer

from workbench.problem import Problem

COMMANDS = (
    ("doctor", "workbench.cli.doctor"),
    ("list", "workbench.cli.list_"),
    ("build", "workbench.cli.build"),
    ("occupancy", "workbench.cli.occupancy"),
    ("check", "workbench.cli.check"),
    ("sweep", "workbench.cli.sweep"),
    ("finish", "workbench.cli.finish"),
    ("profile", "workbench.cli.profile"),
    ("import", "workbench.cli.import_"),
    ("compare", "workbench.cli.compare"),
    ("report", "workbench.cli.report"),
    ("dashboard", "workbench.cli.dashboard"),
)
"""Name and module of every command, in the order in which one meets them. A module holds `command` and may hold
`SETTINGS`, the context settings that it wants."""


def make_app() -> typer.Typer:
    app = typer.Typer(
        name="workbench",
        help="Build, check, time, profile and explain kernel variants side by side.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: importing rich would cost a third of its time
    )
    for name, module_name in COMMANDS:
        module = importlib.import_module(module_name)
        app.command(name, context_settings=getattr(module, "SETTINGS", None))(module.command)
    return app


def main() -> None:
    """The `workbench` command. A user's problem is one line on stderr and a non-zero exit, never a traceback."""
    try:
        make_app()()
    except Problem as problem:
        print(f"workbench: {problem}", file=sys.stderr)
        sys.exit(problem.exit_status)
    except BrokenPipeError:
        # The reader (head, a pager) has gone; what it did not want is nobody's problem.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
