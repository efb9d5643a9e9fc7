"""Plans evaluated for real, on the CPU or a GPU: right or wrong, with no clock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.catalog import load_catalog
from workbench.check.case import InputSet, make_set
from workbench.check.compare_outputs import Comparison, compare_outputs, tolerances
from workbench.declare import Arrays, Device, Plan, Shape, Tolerance
from workbench.execute.bound import Bound
from workbench.execute.load import load


class DirectCheck:
    """Lives in a worker process: evaluates one variant's plan on a device."""

    def __init__(self, kernels: Path, variant: str, device: Device) -> None:
        catalog = load_catalog(kernels)
        self._variant = catalog.variant(variant)
        self._operation = catalog.operation_of(self._variant)
        self._device = device

    def check(self, shape: Shape, settings: dict[str, Any], input_sets: tuple[InputSet, ...]) -> Comparison:
        """The worst comparison over the sets. Raises GuardBroken after a stray write."""
        plan = self._variant.plan(shape, settings)
        return max((self._evaluate(plan, shape, input_set) for input_set in input_sets), key=lambda c: c.excess)

    def _evaluate(self, plan: Plan, shape: Shape, input_set: InputSet) -> Comparison:
        inputs, want = make_set(self._operation, shape, input_set)
        bound = load(plan, self._operation.tensors(shape), [inputs], shape.dtype, self._device)
        return evaluated(bound, want, tolerances(self._operation, shape)).at(input_set.label)


def evaluated(bound: Bound, want: Arrays, allowed: Mapping[str, Tolerance]) -> Comparison:
    """One evaluation with poisoned outputs against the float64 reference; the memory is given back."""
    try:
        bound.poison()
        bound.run()
        return compare_outputs(bound.outputs(), want, allowed)
    finally:
        bound.close()
