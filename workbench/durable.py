"""Files on disk, whole or not at all: what was there stays until what replaces it is safe on the disk.

A rename makes a file appear at once, but not durably: without a sync of the file before it and of the folder after
it, a power cut can leave an empty file under the new name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

PART = ".part-"
"""Beginning of the name of every file that is not whole yet."""


def write_whole(path: Path, data: bytes) -> None:
    """The file with these bytes, or an OSError and the file as it was. What a killed writer of it left goes first."""
    if path.is_dir():  # before a file is made beside it, which "/" and "." have no name for
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    _clear_parts_of(path)
    temporary = None
    try:
        # A file without a name, which goes with its process.
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):  # not on this system, or this file system has none
        temporary = _beside(path)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write_all(descriptor, data)
        os.fsync(descriptor)
        if temporary is None:
            named = _beside(path)
            # A descriptor, whichever: without one Python calls link, which does not follow the link in /proc.
            os.link(f"/proc/self/fd/{descriptor}", named, src_dir_fd=descriptor, follow_symlinks=True)
            temporary = named
        temporary.replace(path)
    except BaseException:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    sync(path.parent)


def publish(temporary: Path, path: Path) -> None:
    """Renames a file that is written completely to its own name, and makes both durable."""
    publish_all([(temporary, path)])


def publish_all(files: Iterable[tuple[Path, Path]]) -> None:
    """The same of several, (temporary, final) each: until every one is safe on the disk none is renamed."""
    files = list(files)
    for temporary, _ in files:
        sync(temporary)
    for temporary, final in files:
        temporary.replace(final)
    for folder in dict.fromkeys(final.parent for _, final in files):
        sync(folder)


def append_whole(path: Path, data: bytes, durable: bool = True) -> None:
    """Adds the bytes at the end of a file, or raises OSError and leaves the file as it was."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        end = os.fstat(descriptor).st_size
        try:
            write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)
    if durable and end == 0:
        sync(path.parent)  # the name is new


def sync(path: Path) -> None:
    """A file's bytes, or a folder's names, on the disk. Raises OSError where they cannot get there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """All of the bytes: `os.write` may take only some, as on a disk that is just full. Raises OSError for the rest."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def part_of(path: Path) -> Path:
    """Where a file that one process alone writes is made before it gets its own name."""
    return path.with_name(f"{PART}{path.name}")


def clear_parts(folders: Iterable[Path]) -> None:
    """Removes what writers that were killed left half made; only for whoever writes to these folders alone."""
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in folder.glob(f"{PART}*"):
                path.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{PART}{secrets.token_hex(4)}-{path.name[:64]}")


def _clear_parts_of(path: Path) -> None:
    """What is left of earlier writers of this file, each of which keeps its part locked for as long as it lives."""
    with contextlib.suppress(OSError):
        for part in path.parent.iterdir():
            if part.name.startswith(PART) and part.name.endswith(f"-{path.name[:64]}"):
                with contextlib.suppress(OSError), part.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink(missing_ok=True)
