"""Files that somebody else wrote, or that time, a full disk or another program has changed.

Everything that reads one does so inside `reading`: whatever is wrong with the file is then the user's problem, in one
line that says what is wrong, where, and what to do. Nothing outside of this boundary has to foresee what a broken
file can raise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from workbench.problem import Problem

REASON_LENGTH = 160
"""Characters of an error's own words that a line has room for."""


@contextlib.contextmanager
def reading(path: Path | str, what: str, fix: str) -> Iterator[None]:
    """Turns everything that the block raises into a Problem `PATH: WHAT (why); FIX`.

    `what` is the finding, such as `corrupt, not the JSON of a run`; `fix` is what to do next. A Problem passes
    unchanged; the error itself stays reachable as the Problem's `__cause__`.
    """
    try:
        yield
    except Problem:
        raise
    except OSError as error:
        raise Problem(f"{printable(path)}: cannot be read ({error.strerror or first_words(error)}); {fix}") from error
    except Exception as error:  # a parser may raise anything on bytes that it was not made for
        raise Problem(f"{printable(path)}: {what} ({first_words(error)}); {fix}") from error


def is_file(path: Path | str) -> bool:
    """Whether a name that somebody typed is that of a file: one too long, or with a null in it, names nothing."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def first_words(error: BaseException) -> str:
    """An error's own text in one short line; its type where it has none."""
    try:
        text = str(error)
    except Exception:  # somebody else's __str__
        text = ""
    words = " ".join(text.split())[:REASON_LENGTH]
    return printable(words) if words else type(error).__name__


def printable(text: Path | str) -> str:
    """The text with what no terminal and no UTF-8 file can hold (lone surrogates, control characters) escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
