"""The machine code in a cubin: an ELF file with a `.text.NAME` section a kernel."""

from __future__ import annotations

import struct
from pathlib import Path

from workbench.problem import Problem

_SECTION_TABLE = struct.Struct("<Q")
_SECTION_COUNTS = struct.Struct("<HHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")


def kernel_code(path: Path) -> dict[str, bytes]:
    """Kernel name → its instructions, 16 bytes each, in the order of the file. Raises Problem for no cubin.

    The layout is the System V ABI's ELF-64 header and section headers.
    """
    data = path.read_bytes()
    if data[:5] != b"\x7fELF\x02":
        raise Problem(f"{path}: is no cubin; delete it to have it built again")
    (table,) = _SECTION_TABLE.unpack_from(data, 0x28)
    size, count, names_at = _SECTION_COUNTS.unpack_from(data, 0x3A)
    sections = [_SECTION.unpack_from(data, table + at * size) for at in range(count)]
    names = sections[names_at][4]
    found = {}
    for section in sections:
        start = names + section[0]
        name = data[start : data.index(b"\0", start)].decode()
        if name.startswith(".text."):
            found[name.removeprefix(".text.")] = data[section[4] : section[4] + section[5]]
    return found
