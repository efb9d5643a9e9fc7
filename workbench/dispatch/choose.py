"""The measured variant for a shape: the nearest shape in log space, and nothing where none is near."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.declare import Setting
from workbench.dispatch.table import Entry, committed, read_table
from workbench.execute.this_machine import device_name

TABLE = "WORKBENCH_DISPATCH"
"""Environment variable: a table to use in place of those that come with the project."""

NEAR = math.log(8)
"""How far an axis may be from the measured one, as a logarithm: beyond that a measurement says little."""


@dataclass(frozen=True)
class Choice:
    """What a layer runs for one pass, and why."""

    operation: str
    pass_: str
    variant: str
    settings: Mapping[str, Setting]
    run: str = ""
    """The run that it was measured in; empty for a fallback."""
    measured_at: str = ""
    tie: tuple[str, ...] = ()
    reason: str = ""
    """Why it is a fallback."""

    def __str__(self) -> str:
        settings = " ".join(f"{name}={value}" for name, value in self.settings.items())
        what = f"{self.operation} {self.pass_}: {self.variant}" + (f" ({settings})" if settings else "")
        if not self.run:
            return f"{what}, fallback: {self.reason}"
        tie = f", tied with {', '.join(self.tie)}" if self.tie else ""
        return f"{what}, from run {self.run} at {self.measured_at}{tie}"


def choose(operation: str, pass_: str, device: str, dtype: str, sizes: Mapping[str, int]) -> Choice | None:
    """The measured choice nearest to `sizes` for this machine; None where nothing near was measured."""
    return _choose(operation, pass_, device, dtype, tuple(sizes.items()), os.environ.get(TABLE, ""))


@functools.lru_cache(maxsize=4096)
def _choose(
    operation: str, pass_: str, device: str, dtype: str, sizes: tuple[tuple[str, int], ...], table: str
) -> Choice | None:
    wanted = (operation, pass_, device, dtype, device_name(device))
    entries = read_table(Path(table)) if table else committed()
    found = [e for e in entries if (e.operation, e.pass_, e.device, e.dtype, e.machine) == wanted]
    near = [(distance, e) for e in found if (distance := _distance(dict(sizes), e)) is not None]
    if not near:
        return None
    best = min(near, key=lambda pair: pair[0])[1]
    at = " ".join(f"{axis}={size}" for axis, size in best.sizes.items())
    return Choice(operation, pass_, best.variant, best.settings, best.run, at, best.tie)


def _distance(sizes: Mapping[str, int], entry: Entry) -> float | None:
    """Sum of squared logarithms of the sizes' ratios; None for other axes, or one that is too far away."""
    if set(sizes) != set(entry.sizes):
        return None
    apart = [abs(math.log(max(size, 1) / entry.sizes[axis])) for axis, size in sizes.items()]
    return None if max(apart) > NEAR else sum(value * value for value in apart)
