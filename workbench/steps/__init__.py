"""Kinds of steps: all that the workbench does with a step of a plan, in one module per kind.

`declare` holds what a step is; the module of its kind here holds what is checked, compiled, bound, run, counted and
shown of it. Whoever meets a step asks `kind_of(step)`. A new kind is a new module in this folder, and nothing else.
"""

from workbench.steps.kind import CompiledStep, Kind, Launch, Place, Source, kind_of
from workbench.steps.walk import distinct_sources, launches_of, leaves_of, unrolled

__all__ = [
    "CompiledStep",
    "Kind",
    "Launch",
    "Place",
    "Source",
    "distinct_sources",
    "kind_of",
    "launches_of",
    "leaves_of",
    "unrolled",
]
