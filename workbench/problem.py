"""A user's problem, in one line: what is wrong, where, and what to do next."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable


class Problem(Exception):
    """Raised for whatever a user can mend; the command line prints its text and exits non-zero, no traceback."""

    def __init__(self, text: str, exit_status: int = 1) -> None:
        super().__init__(text)
        self.exit_status = exit_status


class SourceError(Problem):
    """A source is not what its compiler takes, or not what its declaration says that it holds."""


def installing(line: str) -> str:
    """A `pip install` line for the Python that runs this, which need not be the one that `pip` belongs to."""
    python = sys.executable
    with contextlib.suppress(ValueError, OSError):  # another drive, a working folder that is gone
        python = min(python, os.path.relpath(python), key=len)
    return f"{python} -m {line}" if line.startswith("pip ") else line


MOST_LISTED = 12


def unknown(kind: str, word: str, known: Iterable[str]) -> Problem:
    """The problem of a word that names nothing: the one that it nearly is, else what there is."""
    names = sorted(known)
    near = min((name for name in names if _begins_alike(word, name)), key=lambda name: slips(word, name), default="")
    if near and slips(word, near) <= max(1, min(len(word), len(near)) // 4):
        return Problem(f"unknown {kind} {word}: did you mean {near}?", exit_status=2)
    shown = ", ".join(names[:MOST_LISTED]) or "none"
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return Problem(f"unknown {kind} {word}: known: {shown}{more}", exit_status=2)


def _begins_alike(word: str, name: str) -> bool:
    """Who mistypes a word gets its first letter right, or swaps it: gh200 is no slip of h200."""
    word, name = word.lstrip("-"), name.lstrip("-")
    return name[:1] == word[:1] or name[:2] == word[1::-1]


def slips(word: str, other: str) -> int:
    """How many letters were added, left out, changed, or swapped with their neighbour, at least."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, start=1):
        last, row, older = row, [i], before
        for j, wanted in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == wanted:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        before = last
    return row[-1]


class Ended(KeyboardInterrupt):
    """A signal that asks for the end; `exit_status` is what a shell calls a process ended by it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_status = 128 + number


def status_of(interrupt: KeyboardInterrupt) -> int:
    """The exit status of a command that an interrupt has ended: SIGINT's own where no signal is named."""
    return interrupt.exit_status if isinstance(interrupt, Ended) else 128 + signal.SIGINT
