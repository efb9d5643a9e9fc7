"""Small `.ncu-rep` files of our own making, in the form that NVIDIA publishes beside ncu (ProfilerReport.proto).

The bytes `NVR\\0`, a file header, then blocks: a header each (how many results it holds, the table of strings that
metrics are named by, the payload's size) and a payload of results, each behind its length. What stands here is only as
much as NVIDIA's reader asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

VERSION = 7
OPTIMIZATION, GLOBAL = 4, 2


@dataclass(frozen=True)
class Made:
    """One launch of a made-up report."""

    kernel: str
    demangled: str = ""
    grid: tuple[int, int, int] = (1, 1, 1)
    block: tuple[int, int, int] = (32, 1, 1)
    metrics: Mapping[str, float] = field(default_factory=dict)
    ranges: Sequence[tuple[str, str]] = ()
    """Domain and name of the push/pop ranges around it, outermost first."""
    rules: Sequence[tuple[str, str, float]] = ()
    """Identifier, message and estimated global speed-up in percent of NVIDIA's rules."""
    whole: bool = True
    """False: a field that the reader requires is left out."""


def report(launches: Sequence[Made], process: int = 4242) -> bytes:
    """A report with a block per launch, and one in front that holds the names of all metrics."""
    names = list(dict.fromkeys(name for launch in launches for name in launch.metrics))
    strings = b"".join(_text(1, name) for name in names)
    data = b"NVR\0" + _sized(_number(1, VERSION)) + _block(0, strings, b"", process)
    for launch in launches:
        data += _block(1, b"", _sized(_result(launch, names, process)), process)
    return data


def _block(results: int, strings: bytes, payload: bytes, process: int) -> bytes:
    about = _number(1, process) + _text(2, "127.0.0.1") + _text(3, "/made/up")
    header = _number(2, results) + _message(4, strings) + _number(5, len(payload)) + _message(6, about)
    return _sized(header) + payload


def _result(launch: Made, names: Sequence[str], process: int) -> bytes:
    # Program, kernel, dimensions, offset and source are required: without one the reader gives an empty launch.
    fields = [_number(1, process), _number(2, 1), _number(3, 1), _number(4, 1), _text(5, launch.kernel)]
    fields += [_text(6, launch.kernel), _text(7, launch.demangled or launch.kernel), _number(8, 3)]
    fields += [_message(9, _triple((0, 0, 0))), _message(10, _triple(launch.grid)), _message(11, _triple(launch.block))]
    fields += [_message(15, _number(1, 1))] * launch.whole + [_number(16, 0)]
    for name, value in launch.metrics.items():
        fields.append(_message(13, _number(1, names.index(name)) + _message(2, _double(3, value))))
    fields += [_message(19, _rule(*rule)) for rule in launch.rules]
    if launch.ranges:
        fields.append(_message(21, _nvtx(launch.ranges, process)))
    return b"".join(fields)


def _rule(identifier: str, message: str, percent: float) -> bytes:
    said = _message(1, _text(1, message) + _number(2, OPTIMIZATION) + _text(4, f"title of {identifier}"))
    gain = _message(10, _number(1, GLOBAL) + _double(2, percent))
    body = _message(1, said + gain)
    return _text(1, identifier) + _text(2, identifier) + _message(3, body) + _text(4, "SpeedOfLight")


def _nvtx(ranges: Sequence[tuple[str, str]], thread: int) -> bytes:
    """The state of the launching thread: domains by number, and in each the stack of its ranges."""
    domains = list(dict.fromkeys(domain for domain, _ in ranges))
    state = b"".join(_message(1, _number(1, n) + _text(2, domain)) for n, domain in enumerate(domains))
    stacks = b""
    for n, domain in enumerate(domains):
        inside = b"".join(_message(3, _text(1, name)) for owner, name in ranges if owner == domain)
        stacks += _message(2, _number(1, n) + inside)
    return state + _message(2, _number(1, thread) + stacks)


def _triple(sizes: tuple[int, int, int]) -> bytes:
    return b"".join(_number(place, size) for place, size in enumerate(sizes, start=1))


def _sized(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _number(number: int, value: int) -> bytes:
    return _tag(number, 0) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _tag(number, 1) + struct.pack("<d", value)


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _message(number: int, data: bytes) -> bytes:
    return _tag(number, 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])
