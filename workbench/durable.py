"""Files on disk, whole or not at all: what was there stays until what replaces it is safe on the disk.

A rename makes a file appear at once, but not durably: without a sync of the file before it and of the folder after
it, a power cut can leave an empty file under the new name.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """The file with these bytes, or an OSError and the file as it was."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:16]}.", dir=path.parent)
    temporary = Path(name)
    try:
        try:
            write_all(handle, data)
            os.fchmod(handle, 0o666 & ~_umask())
        finally:
            os.close(handle)
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def publish(temporary: Path, path: Path) -> None:
    """Renames a file that is written completely to its own name, and makes both durable."""
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


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


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
