"""Named host buffers that a kernel cannot write past unseen.

Each buffer lies in a mapping of its own, ends at an unreadable page (a far stray access kills the worker process,
which costs that variant its record and nothing else) and is surrounded by canary bytes (a near one is found by
`check`). Mappings ask for huge pages: with 4 KiB pages a stream over hundreds of megabytes spends its time in page
walks, which is not what a kernel comparison is after.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.execute.bound import Violation

ALIGNMENT = 64
"""A cache line, and the widest vector register."""
HUGE_PAGE = 2 << 20
PAGE = mmap.PAGESIZE
FRONT = PAGE
"""Canary bytes before the first element."""
CANARY = 0xC5

_libc = ctypes.CDLL(None, use_errno=True)


class GuardBroken(Violation):
    """A kernel wrote outside a buffer; the text names it and the side."""


class HostBuffer:
    """`nbytes` of memory with guards on both sides, aligned to a cache line."""

    def __init__(self, name: str, nbytes: int) -> None:
        self.name = name
        self.nbytes = nbytes
        body = -(-(FRONT + nbytes + ALIGNMENT) // PAGE) * PAGE
        if body >= HUGE_PAGE:
            body = -(-body // HUGE_PAGE) * HUGE_PAGE
        slack = HUGE_PAGE if body >= HUGE_PAGE else 0
        self._map = mmap.mmap(-1, body + slack + PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        anchor = (ctypes.c_char * 1).from_buffer(self._map)
        start = ctypes.addressof(anchor)
        del anchor
        begin = -(-start // HUGE_PAGE) * HUGE_PAGE - start if slack else 0
        if slack and hasattr(mmap, "MADV_HUGEPAGE"):
            self._map.madvise(mmap.MADV_HUGEPAGE, begin, body)
        if _libc.mprotect(ctypes.c_void_p(start + begin + body), ctypes.c_size_t(PAGE), 0) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
        whole = np.frombuffer(self._map, dtype=np.uint8, count=body, offset=begin)
        # The last element lies as close to the unreadable page as alignment allows.
        first = body - -(-nbytes // ALIGNMENT) * ALIGNMENT
        self._front, self._back = whole[first - FRONT : first], whole[first + nbytes :]
        self._front[:], self._back[:] = CANARY, CANARY
        self.bytes: NDArray[np.uint8] = whole[first : first + nbytes]
        self.address = start + begin + first

    def view(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """The buffer as an array, sharing its memory."""
        array: NDArray[Any] = self.bytes.view(dtype).reshape(shape)
        return array

    def check(self) -> None:
        """Raises GuardBroken where a canary byte has changed."""
        for side, zone in (("before its first", self._front), ("behind its last", self._back)):
            touched = np.flatnonzero(zone != CANARY)
            if touched.size:
                distance = FRONT - int(touched[-1]) if zone is self._front else int(touched[0]) + 1
                raise GuardBroken(f"wrote outside {self.name}: {distance} bytes {side} element")
