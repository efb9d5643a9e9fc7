"""Steps done over and over, with addresses and numbers that move on by as much with each turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from workbench.declare import Repeat
from workbench.steps.kind import Kind, Place, kind_of, short


class RepeatKind(Kind[Repeat]):
    """See `Repeat`."""

    step = Repeat

    def names(self, step: Repeat) -> Iterable[str]:
        self._check_form(step)
        for part in step.steps:
            yield from kind_of(part).names(part)

    def addressed(self, step: Repeat) -> Iterable[str]:
        for part in step.steps:
            yield from kind_of(part).addressed(part)

    def check(self, step: Repeat) -> None:
        self._check_form(step)
        for part in step.steps:
            kind_of(part).check(part)

    def _check_form(self, step: Repeat) -> None:
        if type(step.steps) is not tuple or not step.steps:
            raise TypeError(
                f"gives Repeat the steps {short(step.steps)}: write a tuple, as in Repeat((Kernel(...),), n)"
            )
        for part in step.steps:
            if kind_of(part).parts(part):
                raise TypeError(f"holds a {type(part).__name__} in a Repeat: write one, of all turns")
        if type(step.count) is not int or step.count < 1:
            raise TypeError(f"gives Repeat the count {step.count!r}: write a whole number from 1")

    def bind(self, step: Repeat, place: Place) -> Callable[[], None]:
        after = place.later
        runs = []
        for part in step.steps:
            place.later = (*step.steps, *after)  # the next turn comes after the last of its parts
            runs.append(kind_of(part).bind_turns(part, place))
        place.later = after
        count = step.count

        def run() -> None:
            for turn in range(count):
                for one in runs:
                    one(turn)

        return run

    def parts(self, step: Repeat) -> tuple[Any, ...]:
        return step.steps

    def turns(self, step: Repeat) -> int:
        return step.count
