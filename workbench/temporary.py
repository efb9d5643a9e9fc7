"""Folders for the time of a process, in memory or on disk, and what killed processes have left of theirs.

Each folder holds a file that its process keeps locked; the kernel gives the lock back however the process ends. So
whoever comes later can tell a folder in use from one that nobody will ever remove.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "workbench-"
OWNER = ".owner"
IN_MEMORY = Path("/dev/shm")


@contextlib.contextmanager
def temporary_folder(within: Path | None = None) -> Iterator[Path]:
    """A folder of one's own, in `within` or where temporary files go; gone afterwards. The first of a process clears
    what killed ones have left."""
    clear_once()
    if within is not None:
        clear_left_over(within, f"{PREFIX}*")
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=within))
    owner = own(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(owner)


@functools.cache
def clear_once() -> None:
    """Removes what killed processes have left in memory and where temporary files go; nothing a second time."""
    for place in (IN_MEMORY, Path(tempfile.gettempdir())):
        clear_left_over(place, f"{PREFIX}*")


def own(folder: Path) -> int:
    """Marks the folder as this process's, for as long as the descriptor returned stays open."""
    descriptor = os.open(folder / OWNER, os.O_RDWR | os.O_CREAT, 0o600)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def is_left_over(folder: Path) -> bool:
    """Whether the process that made the folder is gone. A folder without an owner's mark is nobody's to judge."""
    try:
        descriptor = os.open(folder / OWNER, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def clear_left_over(within: Path, pattern: str) -> None:
    """Removes the folders that killed processes left in `within`, as far as this user may."""
    with contextlib.suppress(OSError):
        for folder in within.glob(pattern):
            if is_left_over(folder):
                shutil.rmtree(folder, ignore_errors=True)
