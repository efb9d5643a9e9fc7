"""Python functions of a plan over torch tensors, which share the memory of its buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workbench.declare import Step
from workbench.host_steps import results_of
from workbench.steps import kind_of


class TensorCalls:
    """The tensors that a set's Python functions meet: those of its buffers, and in the place of some what a function
    has returned."""

    def __init__(self, of_buffer: Callable[[str], Any]) -> None:
        """`of_buffer`: the tensor over a buffer's memory, None for an absent optional one."""
        self.tensors: dict[str, Any] = {}
        self.returned: set[str] = set()
        """Names of those that live in what a function returned."""
        self._of_buffer = of_buffer

    def bound(
        self, function: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...], later: Sequence[Step]
    ) -> Callable[[], None]:
        """The call. An output that a `later` kernel or host function takes by address is copied into its buffer; any
        other simply takes its place, so that an eager variant is not charged for a copy that nobody needs."""
        by_address = {name for step in later for name in kind_of(step).addressed(step)}
        replaced = {name for name in outputs if name not in by_address}
        self.returned |= replaced
        tensors = self.tensors
        for name in (*inputs, *outputs):
            if name not in tensors:
                tensors[name] = self._of_buffer(name)

        def call() -> None:
            for name, value in results_of(function, [tensors[name] for name in inputs], outputs):
                if name in replaced:
                    tensors[name] = value
                else:
                    tensors[name].copy_(value)

        return call

    def given(self, name: str) -> None:
        """The buffer was written and holds what counts: what a function has returned for it is forgotten. What keeps
        something made of a tensor goes by the count of its writes, which does not see those into its memory."""
        if name in self.returned:
            self.tensors[name] = self._of_buffer(name)
        elif (tensor := self.tensors.get(name)) is not None:
            tensor.view(-1)[:0].zero_()  # no element, and one write more

    def forget(self, name: str) -> None:
        """What a function has returned for it, until it returns the next."""
        if name in self.returned:
            self.tensors[name] = None
