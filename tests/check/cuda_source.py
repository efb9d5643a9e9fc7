"""Compiles a CUDA source to PTX, and launches one of its kernels over arrays in the simulator."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.kernels.executed import SCHEDULES
from workbench.compile import Binary, Unit
from workbench.compile.ptx import ptx_of_units
from workbench.declare import Argument, Kernel, Plan
from workbench.simulate.found import Finding
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan

KERNELS = Path(__file__).parent / "kernels"
ARCH = "sm_90"


@functools.cache
def compiled(source: Path) -> Mapping[Unit, Binary]:
    unit = Unit(source, "float32", (), ARCH)
    made = ptx_of_units([unit])[unit]
    assert isinstance(made, Binary), made.message
    return {unit: made}


class CudaSource:
    """Launches kernels of one source; raises SimulationFault for what ends a launch."""

    def __init__(self, source: str) -> None:
        self._source = KERNELS / source
        self.findings: list[Finding] = []
        """What the checkers found in the last launch that came to its end."""

    def __call__(
        self,
        function: str,
        arrays: dict[str, Any],
        *numbers: Argument,
        grid: tuple[int, int, int] = (1, 1, 1),
        block: tuple[int, int, int] = (64, 1, 1),
        shared: int = 0,
        order: str = "in_order",
        seed: int | None = None,
        resident: int | None = None,
    ) -> dict[str, Any]:
        memory = Memory()
        for name, array in arrays.items():
            memory.put(name, array, writable=True)
        kernel = Kernel(self._source, function, grid, block, (*arrays, *numbers), shared)
        options = replace(SCHEDULES[order], idle_limit=1_000_000, instruction_limit=20_000_000)
        options = replace(options, seed=options.seed if seed is None else seed)
        options = replace(options, resident=options.resident if resident is None else resident)
        (counts,) = run_plan(Plan((kernel,)), "float32", memory, compiled(self._source), ARCH, options)
        assert counts is not None
        self.findings = [finding for finding in counts.findings if finding.fault]
        return {name: memory.array(name) for name in arrays if arrays[name] is not None}
