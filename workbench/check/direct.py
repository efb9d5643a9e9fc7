"""Plans evaluated for real, on the CPU or a GPU: right or wrong, with no clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.catalog import load_catalog
from workbench.check.case import Draw, make_draw
from workbench.check.compare_outputs import Comparison, compare_outputs, tolerances
from workbench.declare import Device, Shape
from workbench.execute.bind import bind_plan


class DirectStation:
    """Lives in a worker process: evaluates one variant's plan on a device."""

    def __init__(self, kernels: Path, variant: str, device: Device) -> None:
        catalog = load_catalog(kernels)
        self._variant = catalog.variant(variant)
        self._operation = catalog.operation_of(self._variant)
        self._device = device

    def check(self, shape: Shape, settings: dict[str, Any], draws: tuple[Draw, ...]) -> Comparison:
        """The worst comparison over the draws. Raises GuardBroken after a stray write."""
        plan = self._variant.plan(shape, settings)
        return max((self._evaluate(plan, shape, draw) for draw in draws), key=lambda c: c.excess)

    def _evaluate(self, plan: Any, shape: Shape, draw: Draw) -> Comparison:
        inputs, want = make_draw(self._operation, shape, draw)
        bound = bind_plan(plan, self._operation.tensors(shape), [inputs], shape.dtype, self._device)
        try:
            bound.poison()
            bound.run()
            found = compare_outputs(bound.outputs(), want, tolerances(self._operation, shape))
        finally:
            bound.close()
        return found.at(draw.label)
