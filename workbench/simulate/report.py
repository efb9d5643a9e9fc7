"""The machine code that an Nsight Compute report carries, so that its launches can be executed again."""

from __future__ import annotations

import struct
from pathlib import Path

from workbench.foreign import reading
from workbench.problem import Problem

_MAGIC = b"\x7fELF\x02"
_CUDA = 190
"""The machine number of a CUDA device in an ELF header."""


def embedded_cubins(report: Path) -> list[bytes]:
    """Every cubin in the report, in the order of the file. Raises Problem for a file without one, or cut short."""
    fix = "export the report again from Nsight Compute"
    with reading(report, "no report whose machine code can be read", fix):
        data = report.read_bytes()
        found = []
        at = data.find(_MAGIC)
        while at >= 0:
            end = at + len(_MAGIC)
            if len(data) >= at + 64 and struct.unpack_from("<H", data, at + 18)[0] == _CUDA:
                end = at + _size(data, at)
                if end > len(data):
                    raise ValueError("it ends inside a cubin")
                found.append(data[at:end])
            at = data.find(_MAGIC, end)
    if not found:
        raise Problem(f"{report}: holds no cubin; profile with source counters (--set full) and import it again")
    return found


def _size(data: bytes, at: int) -> int:
    """Bytes of the ELF file that begins there: its last table or section ends it."""
    programs, sections = struct.unpack_from("<QQ", data, at + 0x20)
    program_size, programs_count, section_size, sections_count = struct.unpack_from("<HHHH", data, at + 0x36)
    end = max(programs + program_size * programs_count, sections + section_size * sections_count, 64)
    for k in range(sections_count):
        _, kind, _, _, offset, size = struct.unpack_from("<IIQQQQ", data, at + sections + k * section_size)
        if kind != 8:  # sections without bytes in the file
            end = max(end, offset + size)
    return int(end)
