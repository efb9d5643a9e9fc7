"""Standard output kept for what the workbench itself prints: tables and JSON that another program may read."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_inside = 0
_before: _Output | None = None


@contextlib.contextmanager
def kept_clean() -> Iterator[None]:
    """While somebody's declarations run in this process, whatever they print, in Python or C or to the descriptor, goes
    to standard error. May be entered again inside itself, and by several threads."""
    global _inside, _before
    with _lock:
        if not _inside:
            _before = _Output()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _before is not None:
                _before.restore()


class _Output:
    """Standard output as it was; from the start on it leads to standard error."""

    def __init__(self) -> None:
        self._stream = sys.stdout
        _flush()
        try:
            self._descriptor = os.dup(1)
        except OSError:  # closed
            self._descriptor = -1
        with contextlib.suppress(OSError):
            os.dup2(2, 1)
        sys.stdout = sys.stderr

    def restore(self) -> None:
        _flush()
        ctypes.CDLL(None).fflush(None)  # what C still holds back was printed inside
        if self._descriptor < 0:
            os.close(1)
        else:
            os.dup2(self._descriptor, 1)
            os.close(self._descriptor)
        sys.stdout = self._stream


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # a full disk, a closed stream, none at all
        sys.stdout.flush()
