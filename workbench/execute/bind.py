"""From a variant to a `Bound` on a device."""

from __future__ import annotations

import numpy as np

from workbench.declare import Device, Operation, Settings, Shape, Variant
from workbench.execute.bound import Bound
from workbench.execute.load import load
from workbench.execute.rounding import round_inputs
from workbench.problem import Problem


def bind_variant(
    variant: Variant, operation: Operation, shape: Shape, settings: Settings, device: Device, sets: int = 1
) -> Bound:
    """A variant bound to random inputs of the operation's first regime: for profilers, which need no reference."""
    reason = variant.supports(shape)
    if reason is not None:
        raise Problem(f"{variant.key} at {shape}: unsupported, {reason}")
    tensors = operation.tensors(shape)
    inputs = [
        round_inputs(tensors, operation.make_inputs(shape, operation.regimes[0], np.random.default_rng(seed)))
        for seed in range(sets)
    ]
    return load(variant.plan(shape, settings), tensors, inputs, shape.dtype, device)
