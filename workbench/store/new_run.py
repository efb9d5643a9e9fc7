"""New runs: a folder that appears in `profiles` whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from workbench.durable import sync
from workbench.foreign import printable
from workbench.problem import Problem
from workbench.store.record import Run
from workbench.store.run_folder import RunFolder, unwritten, write_run
from workbench.temporary import OWNER, clear_left_over, own

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
"""What a run may be called: a folder's name on every system, that no shell, glob or option takes for something else."""
NEW = ".new-"
"""Beginning of the folder that a run is made in where it appears whole or not at all."""


def check_name(name: str) -> str:
    """The name itself; Problem where a run may not be called so."""
    if not NAME.fullmatch(name):
        raise Problem(
            f"--name {printable(name)}: a run's name is letters, digits, '.', '_' and '-', beginning with none of the "
            "last two, 200 at most",
            exit_status=2,
        )
    return name


def create_run(profiles: Path, run: Run) -> RunFolder:
    """A new folder for the run, named after it. Problem where profiles cannot be written to."""
    with _made_beside(profiles, run) as folder:
        pass
    return folder


@contextlib.contextmanager
def whole_run(profiles: Path, run: Run) -> Iterator[RunFolder]:
    """A new run that appears in `profiles` when the block ends, finished, or never."""
    with _made_beside(profiles, run) as folder, folder.writing():
        yield folder
        folder.finish()


@contextlib.contextmanager
def _made_beside(profiles: Path, run: Run) -> Iterator[RunFolder]:
    """The folder of a new run, made under a hidden name and renamed when the block ends. Where it fails nothing is
    left; what a process killed in the middle has left is removed by the next one.
    """
    final = profiles / check_name(run.name)
    clear_left_over(profiles, f"{NEW}*")
    if final.exists():
        raise _exists(final)
    path = profiles / f"{NEW}{secrets.token_hex(4)}"
    owner = -1
    try:
        path.mkdir(parents=True)
        owner = own(path)
        write_run(path, run)
        folder = RunFolder(path, run)
        yield folder
        path.rename(final)
        folder.path = final
        (final / OWNER).unlink()
        sync(final)
        sync(profiles)
        with contextlib.suppress(OSError):  # where profiles is new; who owns the folder above may be somebody else
            sync(profiles.parent)
    except OSError as error:
        shutil.rmtree(path, ignore_errors=True)
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY) and final.is_dir():
            raise _exists(final) from None
        raise unwritten(final, "created", error, "name a writable folder with --profiles, or free some space") from None
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    finally:
        if owner >= 0:
            os.close(owner)


def _exists(path: Path) -> Problem:
    return Problem(f"{path}: exists already; name another run or continue it with --resume {path.name}")
