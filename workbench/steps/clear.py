"""Zeros in a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from workbench.declare import Clear
from workbench.steps.kind import Kind, Place


class ClearKind(Kind[Clear]):
    """See `Clear`."""

    step = Clear

    def names(self, step: Clear) -> Iterable[str]:
        return (step.tensor,)

    def check(self, step: Clear) -> None:
        """Whether there is such a tensor is looked at with all the others."""

    def bind(self, step: Clear, place: Place) -> Callable[[], Any]:
        return place.clear(step.tensor)
