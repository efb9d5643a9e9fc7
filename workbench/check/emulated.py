"""CUDA kernels executed on the host: right or wrong, never timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.build import EMULATED, build_or_raise, units_of
from workbench.catalog import load_catalog
from workbench.check.case import Draw, make_draw
from workbench.check.compare_outputs import Comparison, tolerances
from workbench.check.direct import evaluated
from workbench.declare import Shape
from workbench.emulate import ORDERS
from workbench.execute.load import load


class EmulatedStation:
    """Lives in a worker process: evaluates one variant's plan under emulation."""

    def __init__(self, kernels: Path, variant: str) -> None:
        catalog = load_catalog(kernels)
        self._variant = catalog.variant(variant)
        self._operation = catalog.operation_of(self._variant)

    def check(
        self, shape: Shape, settings: dict[str, Any], draws: tuple[Draw, ...], orders: tuple[str, ...] = ORDERS
    ) -> Comparison:
        """The worst comparison over draws and orders, in which threads and blocks take their turns: what depends on
        a missing barrier differs between them. Raises EmulationFault where the emulator saw one."""
        plan, operation = self._variant.plan(shape, settings), self._operation
        built = build_or_raise(units_of(plan, shape.dtype, [EMULATED]), "does not compile for emulation")
        tensors, allowed = operation.tensors(shape), tolerances(operation, shape)
        found = []
        for draw in draws:
            inputs, want = make_draw(operation, shape, draw)
            for order in orders:
                bound = load(plan, tensors, [inputs], shape.dtype, "emulated", built=built, order=order)
                found.append(evaluated(bound, want, allowed).at(f"{draw.label}, {order}"))
        return max(found, key=lambda c: c.excess)
