"""A case as plain data: all that a process, here or on another machine, needs in order to time it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.declare import Device, Setting, Shape, operation_key, variant_key
from workbench.store.record import Seeds
from workbench.sweep.presets import Budget


@dataclass(frozen=True)
class Begun:
    """What an attempt that was cut off has left of a variant: settings that it had chosen, and samples that count."""

    settings: Mapping[str, Setting]
    samples_s: tuple[float, ...] = ()
    spent_s: float = 0.0
    """Wall time of the blocks that they came in."""
    blocks: int = 0
    disturbed: int = 0
    """Of those blocks."""
    machine: str = ""
    """The id of the one that they were timed on; empty where a sweep has one of the device."""


@dataclass(frozen=True)
class VariantJob:
    """A variant of a case that is still to be timed."""

    key: str
    """Of the record that it will have."""
    name: str
    settings: Mapping[str, tuple[Setting, ...]] = field(default_factory=dict)
    """The values to try of each tunable; of those that are not here the default alone."""
    begun: Begun | None = None
    """Where it is gone on with: its settings are not tried again."""

    @property
    def is_repeat(self) -> bool:
        """Whether it has been timed in this run and is timed once more: settings are known, and no sample counts."""
        return self.begun is not None and not self.begun.blocks


@dataclass(frozen=True)
class CaseJob:
    """One operation in one pass at one shape and dtype on one device, with the variants that are timed together."""

    kernels: Path
    """The folder of kernels."""
    operation: str
    pass_: str
    shape: Shape
    """Sizes and dtype."""
    device: Device
    variants: tuple[VariantJob, ...]
    budget: Budget
    tune: str
    """The strategy by which settings are searched: `search.STRATEGIES`."""
    timeout_s: float
    """That one answer of a variant may take."""
    seeds: Seeds
    ceilings: Mapping[str, float] = field(default_factory=dict)
    """Those of the machine, where they are known: no honest time is far below them."""
    machine: str = ""
    """The id of the one that has timed part of it already: the rest is comparable where that machine times it too."""

    @property
    def operation_key(self) -> str:
        return operation_key(self.operation, self.pass_)

    @property
    def case(self) -> str:
        """Its name among those of a device: `scan/backward B=4 T=1024 H=512 float32`."""
        return f"{self.operation_key} {self.shape}"

    def done_on(self, machine: str) -> CaseJob:
        """The job as that machine does it: samples that another one has taken do not count."""
        kept = [
            one
            if one.begun is None or not one.begun.blocks or one.begun.machine == machine
            else dataclasses.replace(one, begun=None)
            for one in self.variants
        ]
        return dataclasses.replace(self, variants=tuple(kept))

    def variant_key(self, one: VariantJob) -> str:
        return variant_key(self.operation, one.name, self.pass_)
