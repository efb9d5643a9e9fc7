"""A call of a Python function over torch tensors."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from workbench.declare import Call
from workbench.steps.kind import Kind, Place, short


class CallKind(Kind[Call]):
    """See `Call`."""

    step = Call

    def names(self, step: Call) -> Iterable[str]:
        self.check(step)
        return (*step.inputs, *step.outputs)

    def addressed(self, step: Call) -> Iterable[str]:
        return ()

    def check(self, step: Call) -> None:
        if not callable(step.function):
            raise TypeError(
                f"gives Call the function {short(step.function)}: write a function's name, without brackets"
            )
        for field in ("inputs", "outputs"):
            value = getattr(step, field)
            if type(value) is not tuple or not all(isinstance(name, str) for name in value):
                raise TypeError(f'gives Call the {field} {short(value)}: write a tuple of names, such as ("x",)')

    def bind(self, step: Call, place: Place) -> Callable[[], None]:
        return place.python(step.function, step.inputs, step.outputs)

    def shown(self, step: Call) -> str:
        function = self.python_source(step)
        return str(getattr(function, "__name__", function))

    def signature(self, step: Call) -> Hashable:
        keywords = tuple(sorted(getattr(step.function, "keywords", {}).items()))
        return self.python_source(step), repr(keywords), step.inputs, step.outputs

    def python_source(self, step: Call) -> Callable[..., Any]:
        """What a partial application applies."""
        function: Callable[..., Any] = getattr(step.function, "func", step.function)
        return function
