"""From a plan, or a variant, to a `Bound` on a device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.declare import Device, Operation, Plan, Settings, Shape, Tensor, Variant
from workbench.execute.bound import Bound, Inputs
from workbench.execute.rounding import round_inputs
from workbench.problem import Problem


def bind_plan(plan: Plan, tensors: Sequence[Tensor], inputs: Sequence[Inputs], dtype: str, device: Device) -> Bound:
    """Memory for every set of `inputs`, and the plan's steps resolved to calls on it.

    Raises Problem where a source does not compile (with the compiler's message) or the memory is not there.
    """
    if device == "cuda":
        from workbench.execute.on_cuda import CudaBound

        return CudaBound(plan, tensors, inputs, dtype)
    from workbench.execute.on_cpu import CpuBound

    return CpuBound(plan, tensors, inputs, dtype)


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
    return bind_plan(variant.plan(shape, settings), tensors, inputs, shape.dtype, device)
