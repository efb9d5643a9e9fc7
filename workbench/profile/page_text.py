"""The text of a page of ncu as lines: whatever encoding a shell made of it, with the program's own output around it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from workbench.problem import Problem

LONGEST_LINE = 16 << 20
"""Bytes; no page of ncu has such a line, and a file without any end of line must not fill the memory."""
CHUNK = 1 << 20
HEADER = re.compile(r"""(?:"ID"|ID)[,;](?=.*Kernel Name)""")
ROW = re.compile(r"""(?<=[^",;])"\d+"[,;]"\d+"[,;]\"""")
LOG = re.compile(r"^==(?:PROF|WARNING|ERROR|INFO)== ?")


def page_lines(path: Path) -> Iterator[str]:
    """The file's lines without ncu's log. Text that the profiled program printed without an end of line in front of a
    header or a row is cut off. Problem for a line that is longer than any page has."""
    for line in text_lines(path):
        if LOG.match(line) or line.startswith("=="):
            continue
        found = HEADER.search(line) or (ROW.search(line) if not line.startswith('"') else None)
        yield line[found.start() :] if found else line


def log_lines(path: Path) -> list[str]:
    """What ncu itself said in the file."""
    return [line.rstrip("\r\n") for line in text_lines(path) if LOG.match(line)]


def text_lines(path: Path) -> Iterator[str]:
    """The file's lines with their ends, in the encoding that its first bytes show."""
    with path.open("rb") as file:
        decoder = codecs.getincrementaldecoder(_encoding(file.read(64)))(errors="replace")
        file.seek(0)
        waiting = ""
        while chunk := file.read(CHUNK):
            *lines, waiting = (waiting + decoder.decode(chunk)).split("\n")
            for line in lines:
                yield line + "\n"
            if len(waiting) > LONGEST_LINE:
                raise Problem(f"{path}: a line of more than {LONGEST_LINE >> 20} MB, which no page of ncu has")
        waiting += decoder.decode(b"", final=True)
        if waiting:
            yield waiting


def _encoding(start: bytes) -> str:
    """Shells of Windows redirect into UTF-16, some with a mark and some without."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if start[:3] == codecs.BOM_UTF8:
        return "utf-8-sig"
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if odd > len(start) // 4 and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > len(start) // 4 and odd == 0 else "utf-8"
