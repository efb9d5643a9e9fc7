"""Where tables go: the terminal at its own width, anything else at one that cuts nothing off."""

from __future__ import annotations

import sys

from rich.console import Console

WIDTH_OF_A_FILE = 150
"""Columns where standard output is a pipe or a file."""


def console() -> Console:
    """A console for standard output."""
    return Console() if sys.stdout.isatty() else Console(width=WIDTH_OF_A_FILE)
