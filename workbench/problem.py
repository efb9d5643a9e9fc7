"""A user's problem, in one line: what is wrong, where, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Problem(Exception):
    """Raised for whatever a user can mend; the command line prints its text and exits non-zero, no traceback."""

    def __init__(self, text: str, exit_status: int = 1) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def unknown(kind: str, word: str, known: Iterable[str]) -> Problem:
    """The problem of a word that names nothing, with the nearest one that does."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
    return Problem(f"unknown {kind} {word}: {hint}", exit_status=2)


class Ended(KeyboardInterrupt):
    """A signal that asks for the end; `exit_status` is what a shell calls a process ended by it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_status = 128 + number
