"""The block structure of a `.ncu-rep` file: enough to see that one was cut short, and to read one piece by piece.

NVIDIA's reader takes a file cut short without a word and returns the launches before the cut, and it keeps every
launch it has touched in memory (4 MB each with source counters). Both are mended here by the file's outer
structure, which NVIDIA publishes beside ncu (extras/FileFormat/ProfilerReport.proto): the bytes `NVR\\0`, then
blocks of a little-endian uint32, so many bytes of BlockHeader, and as many of payload as field 5 of the header
(PayloadSize) says. Field 1 counts sources, 2 results and 7 range results; field 4 is the string table, to
which later blocks refer, and field 6 the process.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from workbench.problem import Problem

MAGIC = b"NVR\0"
LENGTH = struct.Struct("<I")
RESULTS, STRINGS, PAYLOAD, PROCESS, RANGE_RESULTS = 2, 4, 5, 6, 7
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class CutShort(Exception):
    """The data ends inside something that announced more."""


@dataclass(frozen=True)
class Block:
    """Where a block lies in the file, and how many launches it holds."""

    header: bytes
    payload_at: int
    payload_size: int
    results: int
    process: str
    """The profiled process, which NVIDIA's reader does not tell."""


@dataclass(frozen=True)
class Blocks:
    path: Path
    preamble: bytes
    """Magic and file header, as they stand in the file."""
    blocks: tuple[Block, ...]

    @property
    def launches(self) -> int:
        return sum(block.results for block in self.blocks)

    @property
    def processes(self) -> list[str]:
        """The process of each launch."""
        return [block.process for block in self.blocks for _ in range(block.results)]

    def write_piece(self, first: int, last: int, piece: Path) -> None:
        """Writes a report of launches first to last (exclusive) alone. The string tables of the blocks left
        out are kept, since the blocks that stay refer to them."""
        seen = 0
        with self.path.open("rb") as source, piece.open("wb") as target:
            target.write(self.preamble)
            for block in self.blocks:
                inside = first <= seen < last
                if block.results and not inside:
                    _write_block(target, _without_results(block.header), b"")
                else:
                    source.seek(block.payload_at)
                    _write_block(target, block.header, source.read(block.payload_size))
                seen += block.results

    def pieces(self, launches: int) -> Sequence[tuple[int, int]]:
        """Bounds of pieces of at least so many launches each (a block is never divided)."""
        bounds = [0]
        seen = 0
        for block in self.blocks:
            if block.results and seen - bounds[-1] >= launches:
                bounds.append(seen)
            seen += block.results
        return list(zip(bounds, [*bounds[1:], seen], strict=True))


def read_blocks(path: Path) -> Blocks:
    """The blocks of a report. Raises Problem for what is empty, no report, or cut short."""
    size = path.stat().st_size
    if size == 0:
        raise Problem(f"{path}: an empty file; ncu was stopped before it wrote the report, profile again")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise Problem(
                f"{path}: not an Nsight Compute report; import a .ncu-rep or the output of ncu --csv --page raw"
            )
        try:
            preamble = MAGIC + _sized(file, size, keep_length=True)
            blocks = []
            while file.tell() < size:
                blocks.append(_block(file, size))
        except CutShort:
            raise Problem(
                f"{path}: cut short at {size} bytes, inside a block; copy it again or profile again"
            ) from None
    return Blocks(path, preamble, tuple(blocks))


def _block(file: IO[bytes], size: int) -> Block:
    header = _sized(file, size)
    fields = _fields(header)
    counts = {number: value for number, wire, value, _ in fields if wire == VARINT}
    about = next(
        (raw[-size:] for number, wire, size, raw in fields if (number, wire) == (PROCESS, BYTES) and size), b""
    )
    process = next((str(value) for number, wire, value, _ in _fields(about) if (number, wire) == (1, VARINT)), "")
    payload_at, payload_size = file.tell(), counts.get(PAYLOAD, 0)
    if payload_at + payload_size > size:
        raise CutShort
    file.seek(payload_size, 1)
    return Block(header, payload_at, payload_size, counts.get(RESULTS, 0) + counts.get(RANGE_RESULTS, 0), process)


def _sized(file: IO[bytes], size: int, keep_length: bool = False) -> bytes:
    """The bytes announced by the uint32 in front of them."""
    length = file.read(LENGTH.size)
    if len(length) < LENGTH.size:
        raise CutShort
    count = LENGTH.unpack(length)[0]
    if file.tell() + count > size:
        raise CutShort
    return (length if keep_length else b"") + file.read(count)


def _write_block(file: IO[bytes], header: bytes, payload: bytes) -> None:
    file.write(LENGTH.pack(len(header)))
    file.write(header)
    file.write(payload)


def _without_results(header: bytes) -> bytes:
    """The header with the counts of results and the payload's size left out (protobuf: absent is 0)."""
    return b"".join(raw for number, _, _, raw in _fields(header) if number not in (RESULTS, PAYLOAD, RANGE_RESULTS))


def _fields(message: bytes) -> list[tuple[int, int, int, bytes]]:
    """The fields of a protobuf message: number, wire type, value (of a varint) or length, and their raw bytes."""
    fields = []
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        value = 0
        if wire in (VARINT, BYTES):
            value, at = _varint(message, at)
        at += {VARINT: 0, BYTES: value, FIXED32: 4, FIXED64: 8}.get(wire, len(message))
        if at > len(message):
            raise CutShort
        fields.append((number, wire, value, message[start:at]))
    return fields


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message):
            raise CutShort
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
