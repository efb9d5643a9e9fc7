"""Two variants side by side: their sources, their machine code by class, and what each takes."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.compile.catalogue import BuildRow
from workbench.problem import Problem

RESOURCES = (
    "registers",
    "shared_bytes",
    "spill_bytes",
    "stack_bytes",
    "code_bytes",
    "block_threads",
    "occupancy_theoretical",
    "occupancy_limiter",
)


@dataclass(frozen=True)
class Difference:
    """What differs between variants `a` and `b`, compiled for the same dtype and architecture."""

    a: str
    b: str
    dtype: str
    arch: str
    source: str
    """Unified diff of all their sources; empty when they share them and differ in defines or launch alone."""
    sass: dict[str, tuple[int, int]]
    """Class → instructions in a and in b, summed over each one's kernels, largest difference first."""
    kernels_a: list[dict[str, Any]]
    kernels_b: list[dict[str, Any]]
    """A dictionary a kernel: `kernel`, `defines`, and the fields of RESOURCES."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "a": {"variant": self.a, "kernels": self.kernels_a},
            "b": {"variant": self.b, "kernels": self.kernels_b},
            "dtype": self.dtype,
            "arch": self.arch,
            "sass": {name: {"a": a, "b": b} for name, (a, b) in self.sass.items()},
            "source_diff": self.source,
        }


def difference(a: Sequence[BuildRow], b: Sequence[BuildRow]) -> Difference:
    """The difference between the rows of two variants of one dtype and architecture each.

    Raises Problem for a variant that has no kernel there or does not compile.
    """
    for rows in (a, b):
        for row in rows:
            if row.status != "ok" or row.unit is None:
                raise Problem(f"--diff {row.variant}: {row.status} for {row.dtype}: {row.reason}")
    mix_a, mix_b = _mix(a), _mix(b)
    classes = sorted({*mix_a, *mix_b} - {"total"}, key=lambda name: -abs(mix_a[name] - mix_b[name]))
    return Difference(
        a=a[0].variant,
        b=b[0].variant,
        dtype=a[0].dtype,
        arch=next((row.unit.arch for row in (*a, *b) if row.unit and row.fact), "host"),
        source=_source_difference(a, b),
        sass={name: (mix_a[name], mix_b[name]) for name in (*classes, "total")},
        kernels_a=[_resources(row) for row in a],
        kernels_b=[_resources(row) for row in b],
    )


def _mix(rows: Sequence[BuildRow]) -> Counter[str]:
    total: Counter[str] = Counter()
    for row in rows:
        if row.fact:
            total.update(row.fact.sass_mix)
    return total


def _resources(row: BuildRow) -> dict[str, Any]:
    fact = row.fact.model_dump() if row.fact else {}
    return {
        "kernel": row.step.function if row.step else None,
        "defines": dict(row.step.defines) if row.step else {},
        **{name: fact.get(name) for name in RESOURCES},
    }


def _source_difference(a: Sequence[BuildRow], b: Sequence[BuildRow]) -> str:
    sources_a = list(dict.fromkeys(row.unit.source for row in a if row.unit))
    sources_b = list(dict.fromkeys(row.unit.source for row in b if row.unit))
    shared = set(sources_a) & set(sources_b)
    lines_a = [line for path in sources_a if path not in shared for line in path.read_text().splitlines()]
    lines_b = [line for path in sources_b if path not in shared for line in path.read_text().splitlines()]
    name_a = " ".join(path.name for path in sources_a)
    name_b = " ".join(path.name for path in sources_b)
    return "\n".join(difflib.unified_diff(lines_a, lines_b, name_a, name_b, lineterm=""))
