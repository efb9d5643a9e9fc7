"""Memory for what a pass writes. A large tensor asks for huge pages: with small ones the system takes several times as
long to hand out memory as a pass takes to fill it."""

from __future__ import annotations

import ctypes
import functools
import mmap
from collections.abc import Callable, Sequence
from typing import Any

from kernel_variants.modules.composed import Tensor

HUGE_PAGE = 2 << 20
FRESH_FROM = 32 << 20
"""Bytes from which malloc gets memory from the system at every call, however often it was given back (glibc's greatest
mmap threshold); what is smaller comes from its own store, where pages are there already."""


def fresh(like: Tensor, sizes: Sequence[int], dtype: Any = None) -> Tensor:
    """A tensor without values of these sizes, where `like` is, of its dtype or another."""
    made = like.new_empty(sizes, dtype=like.dtype if dtype is None else dtype)
    if made.nbytes >= FRESH_FROM and made.device.type == "cpu":
        _ask_for_huge_pages(made.data_ptr(), made.nbytes)
    return made


def _ask_for_huge_pages(address: int, nbytes: int) -> None:
    """A wish: where the system has none to give it changes nothing."""
    first = -(-address // HUGE_PAGE) * HUGE_PAGE
    last = (address + nbytes) // HUGE_PAGE * HUGE_PAGE
    advise = _madvise()
    if advise is not None and last > first:
        advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_HUGEPAGE)


@functools.cache
def _madvise() -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), "madvise", None) if hasattr(mmap, "MADV_HUGEPAGE") else None
