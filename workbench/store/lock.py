"""One writer per run: a lock that the kernel gives back however its holder ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from workbench.problem import Problem

LOCK = ".writer"
"""Name of the file in the run's folder that is locked; it holds the process number of whoever has it."""

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""What a file system without locks answers: there, nothing keeps two writers apart."""


@contextlib.contextmanager
def only_writer(run: Path) -> Iterator[None]:
    """Holds the run's lock. Raises Problem where another process has it, OSError where the folder is not writable."""
    descriptor = _locked(run)
    try:
        yield
    finally:
        try:
            with contextlib.suppress(OSError):
                (run / LOCK).unlink()
        finally:
            os.close(descriptor)  # which gives the lock back


def _locked(run: Path) -> int:
    path = run / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor, run)
            # Its last holder may have removed the name between the opening and the locking.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(descriptor).st_ino:
                    with contextlib.suppress(OSError):  # a full disk: the number is only for the message
                        os.ftruncate(descriptor, 0)
                        os.write(descriptor, str(os.getpid()).encode())
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, run: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "another one"
        fix = "wait for it, or stop it; nothing was changed"
        raise Problem(f"{run}: is being written by process {holder}; {fix}") from None
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
