"""Memory that processes share by descriptor: nobody can name it, and it is gone with the last who holds it.

A block has a fixed size (Linux: memfd with seals), so that nobody can pull it away from under another process, and can
be sealed against writing, for root as for anybody else.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.problem import Problem

_F_ADD_SEALS = 1033
_SEAL, _SHRINK, _GROW, _WRITE = 1, 2, 4, 8
_FALLOC_KEEP_SIZE, _FALLOC_PUNCH_HOLE = 1, 2


class Block:
    """`nbytes` of shared memory, all zero at first; pages that nobody has written to cost nothing."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = max(nbytes, 1)
        self.descriptor = os.memfd_create("workbench", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, self.nbytes)
        fcntl.fcntl(self.descriptor, _F_ADD_SEALS, _SHRINK | _GROW)

    def seal(self) -> None:
        """From now on nobody can change it. Problem where somebody still holds it for writing."""
        try:
            fcntl.fcntl(self.descriptor, _F_ADD_SEALS, _WRITE | _SEAL)
        except OSError as error:
            raise Problem(
                f"inputs and references cannot be protected ({error.strerror}): a process that an operation's "
                "declarations started still writes to them"
            ) from None

    def view(self) -> NDArray[np.uint8]:
        """The bytes, to read."""
        return read_view(self.descriptor)

    def clear(self) -> None:
        """Zeros, and no memory, until it is written to again."""
        ctypes.CDLL(None).fallocate(
            self.descriptor, _FALLOC_KEEP_SIZE | _FALLOC_PUNCH_HOLE, ctypes.c_long(0), ctypes.c_long(self.nbytes)
        )

    def close(self) -> None:
        """Views stay valid."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


def read_view(descriptor: int) -> NDArray[np.uint8]:
    """A block's bytes, to read; the array keeps the mapping."""
    return np.frombuffer(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ), dtype=np.uint8)


def write_view(descriptor: int) -> NDArray[Any]:
    """A block's bytes, shared with whoever has it, to read and write; the array keeps the mapping."""
    return np.frombuffer(mmap.mmap(descriptor, 0), dtype=np.uint8)
