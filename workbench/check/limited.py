"""What simulates one variant in a worker process, which may take so much memory and no more."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil

from workbench.catalog import load_catalog


class VariantInLimits:
    """Lives in a worker process with a variant and its operation."""

    def __init__(self, kernels: Path, variant: str, memory_bytes: int) -> None:
        """`memory_bytes`: how much more than it has the process may take."""
        limit_memory(memory_bytes)
        catalog = load_catalog(kernels)
        self._variant = catalog.variant(variant)
        self._operation = catalog.operation_of(self._variant)


def limit_memory(more_bytes: int) -> None:
    """How much more than it has this process may take from now on."""
    limit = psutil.Process().memory_info().vms + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
