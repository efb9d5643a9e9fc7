"""A plan bound to memory, ready to run: the form in which check, measure and profile meet a variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workbench.declare import Device, Operation, Plan, Settings, Shape, Tensor, Variant
from workbench.execute.host_memory import GuardBroken
from workbench.problem import Problem

__all__ = ["Bound", "GuardBroken", "Inputs", "bind_plan", "bind_variant"]

Inputs = Mapping[str, Any]
"""Input arrays by name, in their declared dtypes; an absent optional one is None or missing."""


class Bound(Protocol):
    """A plan with memory for one or several sets of inputs and outputs."""

    sets: int

    def run(self, index: int = 0) -> None:
        """One evaluation on set `index`; on a GPU it may still be running when this returns."""

    def synchronize(self) -> None:
        """Waits until everything that was started is done."""

    def poison(self, index: int = 0) -> None:
        """Fills the outputs and scratch of a set with NaN."""

    def outputs(self, index: int = 0) -> dict[str, Any]:
        """Copies of a set's outputs, by name, as numpy arrays. Raises GuardBroken after a stray write."""

    def close(self) -> None:
        """Releases the memory."""


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
    import numpy as np

    from workbench.execute.rounding import round_inputs

    reason = variant.supports(shape)
    if reason is not None:
        raise Problem(f"{variant.key} at {shape}: unsupported, {reason}")
    tensors = operation.tensors(shape)
    inputs = [
        round_inputs(tensors, operation.make_inputs(shape, operation.regimes[0], np.random.default_rng(seed)))
        for seed in range(sets)
    ]
    return bind_plan(variant.plan(shape, settings), tensors, inputs, shape.dtype, device)
