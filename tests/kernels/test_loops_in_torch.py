"""Loops over time under torch's autograd: what they cost grows with T, and not with its square."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from tests.kernels.executed import Case, catalog, run
from workbench.declare import Shape

STEPS = 24
VARIANTS = [
    variant.key
    for variant in catalog().select(passes=["backward", "training"])
    if variant.name == "autograd" and "T" in catalog().operation(variant.operation_key).small
]


class Selected(TorchDispatchMode):
    """Counts gradients that autograd gives to one step of a tensor over time."""

    def __init__(self) -> None:
        super().__init__()
        self.of_steps = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func) == "aten.select_backward.default":
            _, sizes, axis, _ = args
            self.of_steps += sizes[axis] == STEPS
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("key", VARIANTS)
def test_time_is_taken_apart_once(key: str) -> None:
    """To x[:, t] autograd gives a gradient of the size of x: at 2,048 steps a training step of SRU took 8 s in place of
    a fraction of one."""
    operation = catalog().operation(catalog().variant(key).operation_key)
    shape = Shape.of("float32", **{**operation.small, "T": STEPS})
    with Selected() as selected:
        run(Case(key, shape))
    assert selected.of_steps < STEPS / 2
