"""Runs every step of a plan on the host: kernels emulated, host functions called, torch on the same memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.build.units import EMULATED, unit_of_source
from workbench.declare import Kernel, Plan
from workbench.emulate.launch import launch as launch_kernel
from workbench.emulate.memory import Memory
from workbench.host_steps import HasPath, HostPlace, bound_steps
from workbench.steps import Launch, Source


class EmulatedPlace(HostPlace):
    """See `workbench.steps.Place`: kernels are executed thread by thread over guarded memory, which is looked at after
    each and after each host function. Raises EmulationFault."""

    memory: Memory

    def __init__(
        self,
        memory: Memory,
        compiled: Callable[[Source], HasPath | Path],
        order: str = "forward",
        seed: int = 0,
        resident_blocks: int | None = None,
    ) -> None:
        super().__init__(memory, compiled)
        self._order, self._seed, self._resident_blocks = order, seed, resident_blocks

    def kernel(self, source: Source, launch: Launch, arguments: list[Any]) -> Callable[[], None]:
        path = self.path(source)
        kernel = Kernel(
            source.path, source.function, launch.grid, launch.block, launch.arguments, launch.shared_bytes,
            source.defines,
        )  # fmt: skip

        def run() -> None:
            launch_kernel(path, kernel, self.memory, self._order, self._seed, self._resident_blocks, arguments)

        return self._counted(run)

    def host(self, source: Source, arguments: Sequence[Any]) -> Callable[[], Any]:
        call = super().host(source, arguments)

        def run() -> None:
            call()
            self.memory.check(source.function)

        return self._counted(run)

    def python(
        self, function: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> Callable[[], None]:
        return self._counted(super().python(function, inputs, outputs))

    def clear(self, tensor: str) -> Callable[[], Any]:
        return self._counted(super().clear(tensor))

    def _counted(self, call: Callable[[], Any]) -> Callable[[], None]:
        """The step, whose number goes into the order of threads: no two launches meet the same."""

        def run() -> None:
            call()
            self._seed += 1

        return run


def run_plan(
    plan: Plan,
    dtype: str,
    memory: Memory,
    libraries: Mapping[Any, HasPath | Path],
    order: str = "forward",
    seed: int = 0,
    resident_blocks: int | None = None,
) -> None:
    """Does the plan's steps in order over `memory`, which holds the operation's tensors; missing scratch is added.

    `libraries` maps each step's build unit (workbench.build.unit_of: arch "emulated" for kernels, "host" for host
    functions) to its binary or path. Raises EmulationFault.
    """
    for tensor in plan.scratch:
        if tensor.name not in memory:
            memory.empty(tensor)
    place = EmulatedPlace(
        memory, lambda source: libraries[unit_of_source(source, dtype, EMULATED)], order, seed, resident_blocks
    )
    for step in bound_steps(plan, place):
        step()
