"""Branches of steps done at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from workbench.declare import Concurrent
from workbench.steps.kind import Kind, Place, kind_of, short


class ConcurrentKind(Kind[Concurrent]):
    """See `Concurrent`. Whoever goes through a plan step by step meets one branch after the other."""

    step = Concurrent

    def names(self, step: Concurrent) -> Iterable[str]:
        self._check_form(step)
        for part in self.parts(step):
            yield from kind_of(part).names(part)

    def addressed(self, step: Concurrent) -> Iterable[str]:
        for part in self.parts(step):
            yield from kind_of(part).addressed(part)

    def check(self, step: Concurrent) -> None:
        self._check_form(step)
        for part in self.parts(step):
            kind_of(part).check(part)

    def _check_form(self, step: Concurrent) -> None:
        found = step.branches
        if type(found) is not tuple or not found or not all(type(branch) is tuple and branch for branch in found):
            raise TypeError(
                f"gives Concurrent the branches {short(found)}: write a tuple of tuples of steps, as in "
                "Concurrent(((Kernel(...),), (Kernel(...),)))"
            )
        for part in self.parts(step):
            if kind_of(part).parts(part):
                raise TypeError(f"holds a {type(part).__name__} in a Concurrent: write its steps")

    def bind(self, step: Concurrent, place: Place) -> Callable[[], Any]:
        after = place.later
        place.later = (*self.parts(step), *after)
        branches = [[kind_of(part).bind(part, place) for part in branch] for branch in step.branches]
        place.later = after
        return place.together([_in_turn(calls) for calls in branches])

    def parts(self, step: Concurrent) -> tuple[Any, ...]:
        return tuple(part for branch in step.branches for part in branch)

    def parts_otherwise(self, step: Concurrent) -> tuple[Any, ...]:
        return tuple(part for branch in reversed(step.branches) for part in branch)


def _in_turn(calls: list[Callable[[], Any]]) -> Callable[[], None]:
    def run() -> None:
        for call in calls:
            call()

    return run
