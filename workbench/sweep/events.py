"""What a job tells while it is done. Plain data: a job may be done in another process, or on another machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from workbench.declare import Setting
from workbench.store.record import Machine, Record


@dataclass(frozen=True)
class Began:
    """The first event of an attempt at a job. An attempt that has not ended before is lost, with all that it told."""

    machine: Machine | None = None
    """Where it is made; None where a sweep has one machine of the device."""


@dataclass(frozen=True)
class Samples:
    """A block of samples that counts."""

    key: str
    """Of the record that they are for."""
    settings: dict[str, Setting]
    samples_s: list[float]
    spent_s: float
    """Wall time of the block."""
    disturbed: bool


@dataclass(frozen=True)
class Recorded:
    """A variant's record. It counts once the job has ended."""

    record: Record


@dataclass(frozen=True)
class Spread:
    """How far apart a variant and itself came out in this case, relative (A/A)."""

    spread: float


@dataclass(frozen=True)
class Step:
    """Parts of a stage that are done."""

    text: str
    parts: float = 1.0


@dataclass(frozen=True)
class Ended:
    """The last event of an attempt that came through."""


Event: TypeAlias = Began | Samples | Recorded | Spread | Step | Ended
Emit: TypeAlias = Callable[[Event], None]
