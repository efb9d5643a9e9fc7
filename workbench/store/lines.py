"""Files of lines that grow at their end: what stands behind the last newline was being written when it stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def whole_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Whole lines with their numbers, from 1; none where there is no file. Raises OSError where it cannot be read."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return
    whole, newline, _ = text.rpartition("\n")
    if newline:
        yield from enumerate(whole.split("\n"), start=1)


def without_torn_line(path: Path) -> None:
    """Cuts off a last line that an earlier crash left half written, so that no line ever grows out of two."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            os.ftruncate(descriptor, path.read_bytes().rfind(b"\n") + 1)
    finally:
        os.close(descriptor)
