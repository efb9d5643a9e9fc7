"""Observers look at the machine right before and right after a block of samples; what they find describes the block."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from workbench.measure.observe_cpu import CpuObserver
from workbench.measure.observe_gpu import gpu_here
from workbench.measure.surroundings import Surroundings

KNOWN = {field.name for field in dataclasses.fields(Surroundings)} - {"facts"}


class Observer(Protocol):
    """One way to find something out about a block, in the process that takes the samples."""

    def before(self) -> None:
        """Called right before the block."""

    def after(self) -> Mapping[str, Any]:
        """Called right after it: what was found, by the names of fields of `Surroundings`; a number under any other
        name, which ends in its SI unit, is a fact of its own that goes into the record. What the system does not tell
        is left out."""


def observers_here(device: str) -> tuple[Observer, ...]:
    """Those of a device on this machine."""
    gpu = gpu_here() if device == "cuda" else None
    return () if gpu is None else (gpu,)


def around(action: Callable[[], Any], observers: Sequence[Observer] = ()) -> tuple[Any, Surroundings]:
    """What `action` returns, and what the observers found meanwhile, that of the CPU among them, which is the closest:
    what the others cost is not part of the block."""
    stack = (*observers, CpuObserver())
    for observer in stack:
        observer.before()
    value = action()
    found: dict[str, Any] = {}
    for observer in reversed(stack):
        found |= observer.after()
    facts = {name: float(found.pop(name)) for name in [*found] if name not in KNOWN}
    return value, Surroundings(**found, facts=facts)
