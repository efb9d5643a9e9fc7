"""A plan's steps, gone through: each distinct one, each as often as it is done, or only how many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from workbench.declare import Plan, Step
from workbench.steps.kind import kind_of


def leaves_of(steps: Iterable[Step]) -> Iterator[Step]:
    """Every step that does its work itself, each once however often a loop around it does it."""
    for step in steps:
        parts = kind_of(step).parts(step)
        if parts:
            yield from leaves_of(parts)
        else:
            yield step


def unrolled(steps: Iterable[Step], otherwise: bool = False) -> Iterator[Step]:
    """Every step as it is done, one after the other, loops turned; `otherwise`: in another order of those that plans
    allow."""
    for step in steps:
        kind = kind_of(step)
        parts = kind.parts_otherwise(step) if otherwise else kind.parts(step)
        if not parts:
            yield step
            continue
        for turn in range(kind.turns(step)):
            yield from unrolled((kind_of(part).at_turn(part, turn) for part in parts), otherwise)


def launches_of(plan: Plan) -> int:
    """How many steps one evaluation does."""
    return sum(_count(step) for step in plan.steps)


def _count(step: Step) -> int:
    kind = kind_of(step)
    parts = kind.parts(step)
    return kind.turns(step) * sum(map(_count, parts)) if parts else 1


def distinct_sources(plan: Plan) -> list[Step]:
    """The compiled steps of a plan, in order: those that differ in grid or arguments alone are one."""
    found: dict[Any, Step] = {}
    for step in leaves_of(plan.steps):
        kind = kind_of(step)
        if kind.source(step) is not None:
            found.setdefault(kind.compiled(step), step)
    return list(found.values())
