"""The caches of the cores that this process may use, as Linux describes them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")
UNKNOWN_BYTES = 32 << 20
"""Taken for the last cache where the system does not say."""
LEVELS = ("L1", "L2", "L3")
"""Those that ceilings are measured of. A fourth level counts as memory."""


def cache_bytes(cpus: Iterable[int] | None = None, root: Path = CPUS) -> dict[str, int]:
    """Bytes for data by level, `L1` first, over all of `cpus` (those that this process may use): a cache that several
    cores share counts once. Empty where the system does not say. A virtual machine may be told of more than it gets."""
    found: dict[str, dict[str, int]] = {}
    for cpu in sorted(os.sched_getaffinity(0) if cpus is None else cpus):
        for index in sorted((root / f"cpu{cpu}" / "cache").glob("index*")):
            with contextlib.suppress(OSError, ValueError):
                kind = (index / "type").read_text().strip()
                level, size = f"L{int((index / 'level').read_text())}", _bytes((index / "size").read_text())
                with contextlib.suppress(OSError):
                    shared = (index / "shared_cpu_list").read_text().strip()
                    if kind != "Instruction" and level in LEVELS and size:
                        found.setdefault(level, {})[shared] = size
    return {level: sum(found[level].values()) for level in LEVELS if level in found}


def last_cache_bytes(cpus: Iterable[int] | None = None, root: Path = CPUS) -> int:
    """Size of the last level."""
    return next(reversed(cache_bytes(cpus, root).values()), UNKNOWN_BYTES)


def _bytes(text: str) -> int:
    """`512K` → 524288. ValueError for what is no size."""
    text = text.strip()
    scale = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
    return int(text.rstrip("KMG")) * scale
