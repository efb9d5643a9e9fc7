"""What a process prints, kept short: the last of it can say why a process ended, and none of it goes anywhere else."""

from __future__ import annotations

import contextlib
import os
import threading

from workbench.foreign import printable

KEPT = 4096
"""Bytes kept of what was printed last."""
SHOWN = 200
"""Characters of it that a reason has room for."""


class Tail:
    """A pipe that is emptied by a thread for as long as anybody holds its other end: a flood costs neither memory nor
    disk, and whoever prints is never held up for good."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        self._kept = b""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def close_write(self) -> None:
        """Closes this process's copy of the writing end: only then does the pipe end with the others."""
        os.close(self.write)

    def last_words(self) -> str:
        """The last lines that hold anything, in one; empty where nothing was printed. For a process that has ended."""
        self._thread.join(1.0)
        text = self._kept.decode(errors="replace")
        words = printable(" ".join(text.split()))
        return words if len(words) <= SHOWN else f"…{words[-SHOWN:]}"

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(self._read, 1 << 16):
                self._kept = (self._kept + chunk)[-KEPT:]
        os.close(self._read)
