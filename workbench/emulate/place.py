"""The line of the source that an instruction of a loaded library was compiled from."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def source_place(library: Path, instruction: int) -> str:
    """ "file:line" of a code address in this process, or "" where it is not known (no binutils, another library)."""
    tool = shutil.which("addr2line")
    base = _base(library, instruction)
    if tool is None or base is None:
        return ""
    done = subprocess.run(
        [tool, "-e", str(library), hex(instruction - base)], capture_output=True, text=True, check=False
    )
    place = done.stdout.split(" ")[0].strip()
    return "" if place.startswith("??") or place.endswith((":0", ":?")) else place


def _base(library: Path, address: int) -> int | None:
    """Where the library's first byte is mapped, if `address` lies in the library."""
    name = os.path.realpath(library)
    base, inside = None, False
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, _, offset, _, _, *path = line.split(maxsplit=5)
        if not path or os.path.realpath(path[0]) != name:
            continue
        low, high = (int(word, 16) for word in span.split("-"))
        base = low - int(offset, 16) if base is None else base
        inside |= low <= address < high
    return base if inside else None
