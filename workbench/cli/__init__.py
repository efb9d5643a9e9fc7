"""The command line: parses, calls, prints.

Each command is a function in a file of its own; its heavy imports stand inside it, so that `--help` is quick. Nothing
slow is imported before `main` runs: until then an interruption ends in Python's own words.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from workbench.foreign import first_words, printable
from workbench.problem import Ended, Problem

if TYPE_CHECKING:
    import typer

COMMANDS = (
    ("doctor", "workbench.cli.doctor"),
    ("list", "workbench.cli.list_"),
    ("build", "workbench.cli.build"),
    ("occupancy", "workbench.cli.occupancy"),
    ("check", "workbench.cli.check"),
    ("simulate", "workbench.cli.simulate"),
    ("sweep", "workbench.cli.sweep"),
    ("reproduce", "workbench.cli.reproduce"),
    ("finish", "workbench.cli.finish"),
    ("profile", "workbench.cli.profile"),
    ("import", "workbench.cli.import_"),
    ("compare", "workbench.cli.compare"),
    ("best", "workbench.cli.best"),
    ("ablate", "workbench.cli.ablate"),
    ("history", "workbench.cli.history"),
    ("dispatch", "workbench.cli.dispatch"),
    ("report", "workbench.cli.report"),
    ("note", "workbench.cli.note"),
    ("train", "workbench.cli.train"),
    ("plan", "workbench.cli.plan"),
    ("cluster", "workbench.cli.cluster"),
    ("dashboard", "workbench.cli.dashboard"),
)
"""Name and module of every command, in the order in which one meets them. A module holds `command` and may hold
`SETTINGS`, the context settings that it wants."""

WORDS = "What the words mean: docs/glossary.md."

INTERRUPTED = 128 + signal.SIGINT
PIPE_CLOSED = 141
"""Exit status where whoever read the output has gone: that of a process ended by SIGPIPE."""

FIXES = {
    errno.ENAMETOOLONG: "no file has such a name: give a shorter one",
    errno.ENOSPC: "make room on the disk, then run it again",
    errno.EDQUOT: "make room within the quota, then run it again",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ELOOP: "a link leads back to itself: remove it",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "this user may not: choose another folder or change its rights"),
    errno.EROFS: "the file system takes no writes: choose another folder",
    errno.EISDIR: "name a file in it",
}
"""What to do about an error of the operating system."""


def make_app(only: str = "") -> typer.Typer:
    """The command line: of the command `only` alone, where there is one of that name, else of all. Each other costs
    its import and the reading of its options, which nobody has asked for."""
    import typer

    app = typer.Typer(
        name="workbench",
        help="Build, check, time, profile and explain kernel variants side by side.",
        epilog=WORDS,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help: importing rich would cost a third of its time
    )
    # Of one command alone typer would make the whole program: a callback says that it has a name.
    app.callback()(_nothing)
    for name, module_name in [one for one in COMMANDS if one[0] == only] or COMMANDS:
        module = importlib.import_module(module_name)
        app.command(name, context_settings=getattr(module, "SETTINGS", None), epilog=WORDS)(module.command)
    return app


def main() -> None:
    """The `workbench` command. A user's problem is one line on stderr and a non-zero exit, never a traceback."""
    received: list[int] = []
    try:
        _end_as_interrupted(received)
        _print_anything()
        words = _with_local_cluster(sys.argv[1:]) or ["--help"]
        status = make_app(words[0])(args=words, standalone_mode=False, prog_name="workbench")
        sys.stdout.flush()
        if status == INTERRUPTED:  # the parser of the command line makes this of every interruption
            raise KeyboardInterrupt
    except Problem as problem:
        _exit(str(problem), problem.exit_status)
    except KeyboardInterrupt:
        _exit("interrupted", 128 + received[0] if received else INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, a pager) has gone; what it did not want is nobody's problem.
        _drop_output()
        sys.exit(PIPE_CLOSED)
    except Exception as error:
        if not received:
            _explain(error)
        # Libraries make an error of their own of an interruption that reaches them (DuckDB: "Query interrupted").
        _exit("interrupted", 128 + received[0])
    sys.exit(status if isinstance(status, int) else 0)


def _nothing() -> None:
    """What is done before every command."""


def _explain(error: Exception) -> NoReturn:
    """Ends with the line for an error of the machine or of the command line; raises what is neither."""
    if isinstance(error, OSError):
        where = f"{printable(str(error.filename))}: " if error.filename is not None else ""
        _drop_output()
        fix = FIXES.get(error.errno or 0, "is the disk full, or may this user not write there?")
        _exit(f"{where}{error.strerror or first_words(error)}; {fix}", 1)
    # What the parser of the command line finds wrong: an exception with a status and a text of its own.
    status, text = getattr(error, "exit_code", None), getattr(error, "format_message", None)
    if isinstance(error.__cause__, EOFError):
        _exit("ended before it was done", 1)
    if status is None or text is None:
        raise error
    command = getattr(getattr(error, "ctx", None), "command_path", "workbench")
    _exit(f"{' '.join(str(text()).split()).rstrip('.')}; {command} --help lists what there is", int(status))


def _with_local_cluster(words: list[str]) -> list[str]:
    """`--cluster` with no address behind it is a local one: an option's value can otherwise not be left out."""
    found = []
    for word, following in zip(words, [*words, ""][1:], strict=True):
        is_address = ":" in following or following == "local"
        found.append("--cluster=local" if word == "--cluster" and not is_address else word)
    return found


def _end_as_interrupted(received: list[int]) -> None:
    """A closed terminal or a scheduler's end is an interruption: work in progress is left so that it can go on. The
    signal's number is added to `received`."""

    def end(number: int, _: object) -> None:
        for other in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)  # the ending has begun
        received.append(number)
        raise Ended(number)

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # under nohup it stays ignored
            signal.signal(number, end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    atexit.register(_end_at_once)


def _end_at_once() -> None:
    """While Python puts itself away there is nothing left to save, and nobody to catch an interruption."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def _print_anything() -> None:
    """Output never fails on a character that the locale lacks, nor on a standard output that is closed."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _drop_output() -> None:
    """What could not be written must not be tried again when the process ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit(line: str, status: int) -> NoReturn:
    if sys.stderr is not None:
        # One line, whatever a name in it holds.
        print(f"workbench: {' '.join(printable(part) for part in line.splitlines())}", file=sys.stderr)
    sys.exit(status)
