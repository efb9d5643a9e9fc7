"""Cold memory on a CPU: the lines of named regions taken out of every cache."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.measure.caches import last_cache_bytes
from workbench.measure.ceilings_cpu import threads_of_openmp
from workbench.problem import Problem

SOURCE = Path(__file__).with_suffix(".cpp")
TIMES_LAST_CACHE = 2
"""Where lines cannot be flushed: the buffer that is written instead, which takes their place in every cache."""

THREAD_BYTES = 2 << 20
"""Bytes that are worth a further thread: to wait for one takes longer than flushing less, most of all on a busy
machine."""

Region = tuple[int, int]
"""Address and bytes."""


def flusher() -> Callable[[Sequence[Region]], None]:
    """What takes regions out of every cache: by the processor's own instruction on all cores, else by writing a buffer
    of twice the last cache."""
    library = _library()
    if library is None:
        buffer = np.zeros(TIMES_LAST_CACHE * last_cache_bytes(), dtype=np.uint8)

        def write(regions: Sequence[Region]) -> None:
            np.add(buffer, 1, out=buffer)

        return write
    threads = threads_of_openmp()
    known: dict[tuple[Region, ...], tuple[Any, ...]] = {}

    def flush(regions: Sequence[Region]) -> None:
        key = tuple(regions)
        if key not in known:
            count = len(key)
            known[key] = (
                (ctypes.c_void_p * count)(*(address for address, _ in key)),
                (ctypes.c_longlong * count)(*(nbytes for _, nbytes in key)),
                ctypes.c_longlong(count),
                ctypes.c_longlong(min(threads, 1 + sum(nbytes for _, nbytes in key) // THREAD_BYTES)),
            )
        library.flush(*known[key])

    return flush


def _library() -> Any:
    """None where there is no compiler, or the processor has no such instruction."""
    from workbench.compile import HOST, Unit, build_or_raise

    unit = Unit(SOURCE, "float32", (), HOST)
    try:
        binary = build_or_raise([unit], f"{SOURCE.name} does not compile", Problem)[unit]
    except Problem:
        return None
    library = ctypes.CDLL(str(binary.path))
    return library if library.can_flush() else None
