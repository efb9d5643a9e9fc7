"""Messages over a socket: four bytes of length, then as many bytes.

The coordinator never waits inside a read: a worker may hand over half a message, or bytes that are none, and whoever
waits for it goes by its own deadline.
"""

from __future__ import annotations

import select
import socket
import struct
import time

LARGEST = 16 << 20
"""Bytes of one message. Arrays do not travel here, so anything longer is garbage."""
LONGEST_S = 1e6
"""Seconds that one wait may take: what `poll` can hold. Longer limits are waited for in several."""
_LENGTH = struct.Struct(">I")


def framed(body: bytes) -> bytes:
    """The message as it crosses the socket. Raises ValueError where it is too long."""
    if len(body) > LARGEST:
        raise ValueError(f"a message of {len(body)} bytes, where {LARGEST} is the most")
    return _LENGTH.pack(len(body)) + body


class Channel:
    """One end of the socket, for a process that must not hang: it is read without ever waiting for the other end."""

    def __init__(self, ours: socket.socket) -> None:
        ours.setblocking(False)
        self.socket = ours
        self._bytes = bytearray()

    def send(self, body: bytes) -> None:
        """Raises OSError where the other end is gone, or takes nothing in any more."""
        self.socket.sendall(framed(body))

    def arrived(self) -> bool:
        """Takes in what is there; whether that makes a whole message. Raises EOFError at the end of the stream, OSError
        where it broke, ValueError for a length that no message has."""
        while not self._is_whole():
            try:
                chunk = self.socket.recv(1 << 16)
            except BlockingIOError:
                return False
            if not chunk:
                raise EOFError
            self._bytes += chunk
        return True

    def receive(self, deadline: float) -> bytes:
        """The next message. Raises TimeoutError where it is not whole at `deadline` (of the monotonic clock), and what
        `arrived` raises."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        while not self.arrived():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            poll.poll(1e3 * bounded(left))
        end = _LENGTH.size + self._length()
        body = bytes(self._bytes[_LENGTH.size : end])
        del self._bytes[:end]
        return body

    def close(self) -> None:
        self.socket.close()

    def _is_whole(self) -> bool:
        return len(self._bytes) >= _LENGTH.size and len(self._bytes) >= _LENGTH.size + self._length()

    def _length(self) -> int:
        (length,) = _LENGTH.unpack_from(self._bytes)
        if length > LARGEST:
            raise ValueError(f"a message of {length} bytes")
        return int(length)


def receive_blocking(theirs: socket.socket) -> bytes | None:
    """The worker's way to read: it has nothing to do but wait. None where the other end is gone."""
    header = _exactly(theirs, _LENGTH.size)
    return None if header is None else _exactly(theirs, _LENGTH.unpack(header)[0])


def bounded(seconds: float) -> float:
    """A time that waiting functions take: not negative, not NaN, no more than LONGEST_S."""
    return min(max(0.0, seconds), LONGEST_S)


def _exactly(theirs: socket.socket, count: int) -> bytes | None:
    found = bytearray()
    while len(found) < count:
        chunk = theirs.recv(count - len(found))
        if not chunk:
            return None
        found += chunk
    return bytes(found)
