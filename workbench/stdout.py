"""Standard output kept for what the workbench itself prints: tables and JSON that another program may read."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

_lock = threading.Lock()
_inside = 0
_saved: tuple[int, TextIO] | None = None


@contextlib.contextmanager
def kept_clean() -> Iterator[None]:
    """While somebody's declarations run in this process, whatever they print, in Python or C or to the descriptor, goes
    to standard error. May be entered again inside itself, and by several threads."""
    global _inside, _saved
    with _lock:
        if not _inside:
            _saved = _redirect()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _saved is not None:
                _restore(*_saved)
                _saved = None


def _redirect() -> tuple[int, TextIO] | None:
    try:
        sys.stdout.flush()
        descriptor = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError, AttributeError):  # closed: nothing to keep clean, or nowhere to lead it
        return None
    stream, sys.stdout = sys.stdout, sys.stderr
    return descriptor, stream


def _restore(descriptor: int, stream: TextIO) -> None:
    import ctypes

    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)  # what C still holds back was printed inside
    os.dup2(descriptor, 1)
    os.close(descriptor)
    sys.stdout = stream
