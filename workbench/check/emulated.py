"""CUDA kernels executed on the host: right or wrong, never timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.build import Unit, build_or_raise, unit_of
from workbench.catalog import load_catalog
from workbench.check.case import Draw, make_draw
from workbench.check.compare_outputs import Comparison, compare_outputs, tolerances
from workbench.declare import Operation, Plan, Shape
from workbench.emulate import ORDERS, Memory, run_plan


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
        plan = self._variant.plan(shape, settings)
        libraries = emulated_libraries(plan, shape.dtype)
        return max(
            (
                evaluate_emulated(plan, self._operation, shape, draw, libraries, order)
                for draw in draws
                for order in orders
            ),
            key=lambda c: c.excess,
        )


def emulated_libraries(plan: Plan, dtype: str) -> dict[Unit, Path]:
    """The plan's kernels compiled for emulation, and its host functions. Problem where one does not compile."""
    from workbench.declare import Host, Kernel

    units = {unit_of(step, dtype, "emulated" if isinstance(step, Kernel) else "host")
             for step in plan.steps if isinstance(step, Kernel | Host)}  # fmt: skip
    built = build_or_raise(units, "does not compile for emulation")
    return {unit: binary.path for unit, binary in built.items()}


def evaluate_emulated(
    plan: Plan, operation: Operation, shape: Shape, draw: Draw, libraries: dict[Unit, Path], order: str, seed: int = 0
) -> Comparison:
    """One evaluation in one order, on fresh guarded memory with poisoned outputs, against the float64 reference."""
    tensors = operation.tensors(shape)
    inputs, want = make_draw(operation, shape, draw)
    memory = Memory(order)
    try:
        for tensor in (*tensors, *plan.scratch):
            if tensor.given:
                memory.put(tensor.name, inputs.get(tensor.name))
            else:
                memory.empty(tensor)
        run_plan(plan, shape.dtype, memory, libraries, order=order, seed=seed)
        memory.check()
        got = {t.name: memory.array(t.name).copy() for t in tensors if t.compared}
    finally:
        memory.release()
    found = compare_outputs(got, want, tolerances(operation, shape))
    return found.at(f"{draw.label}, {order}")
