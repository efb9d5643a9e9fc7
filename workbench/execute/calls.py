"""A library call of a plan, bound to torch tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from workbench.declare import At, Call, Clear, Step


def bind_call(step: Call, later: Sequence[Step], tensors: dict[str, Any]) -> tuple[Callable[[], None], set[str]]:
    """The call, and the names of outputs that live in the tensors it returns.

    An output that a later kernel or host function takes by address is copied into its buffer; any other simply
    replaces the entry in `tensors`, so that an eager variant is not charged for a copy that nobody needs.
    """
    import torch

    plain = (torch.Tensor, torch.nn.Parameter)
    by_address = {name for other in later for name in _addresses(other)}
    returned = {name for name in step.outputs if name not in by_address}

    def call() -> None:
        result = step.function(*[tensors[name] for name in step.inputs])
        if result is None:
            if step.outputs:
                raise TypeError(f"{step.function.__name__} returned nothing for its outputs {', '.join(step.outputs)}")
            return
        values = result if isinstance(result, tuple) else (result,)
        for value in values:
            if type(value) not in plain:
                raise TypeError(
                    f"{step.function.__name__} returned a {type(value).__name__}; a plan's call returns torch.Tensor, "
                    "computed: a subclass may leave the work to whoever looks at it"
                )
        for name, value in zip(step.outputs, values, strict=True):
            if name in returned:
                tensors[name] = value
            else:
                tensors[name].copy_(value)

    return call, returned


def _addresses(step: Step) -> set[str]:
    if isinstance(step, Call):
        return set()
    if isinstance(step, Clear):
        return {step.tensor}
    return {a if isinstance(a, str) else a.tensor for a in step.arguments if isinstance(a, str | At)}
