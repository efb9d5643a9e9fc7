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
NUMBER = r"[0-9][0-9.,'’\u00a0\u202f]*"
ROW = re.compile(rf"""(?<!")(?<!"[,;])"{NUMBER}"[,;](?="|[;,])""")
"""How a row starts, also behind what the profiled program printed; never inside of a quoted cell."""
BEGUN = re.compile(rf"""\"(?:{NUMBER})?(?:\"[,;]?)?""")
"""A row of which no more than its start is there."""
UNITS = re.compile(r'""[,;]')
LOG = re.compile(r"(?<!=)==(?:PROF|WARNING|ERROR|INFO)== ?")


def page_records(path: Path) -> Iterator[str]:
    """Headers, units and rows of ncu's tables, each with all of its lines, without whatever else stands in the file:
    ncu's log, and what the profiled program printed between or (without an end of line) in front of them.

    A page that a spreadsheet saved has no quotes to tell rows by: there every line behind the header is one. Problem
    for a row that is cut short.
    """
    quoted: bool | None = None  # until a header says so
    behind_header = False
    record = last = ""
    for line in text_lines(path):
        last = line
        if record:
            if ROW.match(line):
                raise Problem(f"{path}: cut short in the row {record[:20].strip()} …; copy it again or export it again")
            record += line
            if len(record) > LONGEST_LINE:
                raise Problem(f"{path}: a row of more than {LONGEST_LINE >> 20} MB, which no page of ncu has")
        else:
            header = HEADER.search(line) if "Kernel Name" in line else None
            start = header or (ROW.search(line) if quoted else None)
            if header:
                quoted = header[0].startswith('"')
            elif start is None and quoted and behind_header:
                start = UNITS.match(line)
            if start:
                record = line[start.start() :]
                behind_header = header is not None
            elif quoted is False and not line.startswith("=="):
                yield line
        if record and (not quoted or record.count('"') % 2 == 0):
            yield record
            record = ""
    if record or (quoted is False and not last.endswith(("\n", '"'))) or (quoted and BEGUN.fullmatch(last)):
        raise Problem(f"{path}: cut short in its last line; copy it again or export it again")


def log_lines(path: Path) -> list[str]:
    """What ncu itself said in the file."""
    found = ((line, LOG.search(line)) for line in text_lines(path))
    return [line[log.start() :].rstrip("\r\n") for line, log in found if log]


def text_lines(path: Path) -> Iterator[str]:
    """The file's lines with their ends, in the encoding that its first bytes show."""
    with path.open("rb") as file:
        decoder = codecs.getincrementaldecoder(encoding_of(file.read(64)))(errors="replace")
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


def encoding_of(start: bytes) -> str:
    """Shells of Windows redirect into UTF-16, some with a mark and some without."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if start[:3] == codecs.BOM_UTF8:
        return "utf-8-sig"
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if odd > len(start) // 4 and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > len(start) // 4 and odd == 0 else "utf-8"
