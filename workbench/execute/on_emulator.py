"""Plans under emulation: kernels executed thread by thread on the host, over memory that tells who leaves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.build import EMULATED
from workbench.declare import Plan, Tensor
from workbench.dtypes import poison
from workbench.emulate import Memory
from workbench.emulate.plan import EmulatedPlace
from workbench.steps import Source


class EmulatedBuffers(Memory):
    """See `workbench.execute.load.Buffers`."""

    def create(self, tensor: Tensor) -> None:
        self.empty(tensor)

    def absent(self, name: str) -> None:
        self.put(name, None)

    def load(self, name: str, array: Any) -> None:
        self.array(name)[...] = array

    def copy(self, tensor: Tensor) -> Any:
        return self.array(tensor.name).copy()

    def poison(self, name: str) -> None:
        poison(self.array(name))


class EmulatedTarget:
    """See `workbench.execute.load.Target`."""

    arch = EMULATED

    def __init__(self, order: str = "forward", seed: int = 0) -> None:
        self._order, self._seed = order, seed

    def buffers(self) -> EmulatedBuffers:
        return EmulatedBuffers(self._order)

    def place(self, buffers: EmulatedBuffers, compiled: Callable[[Source], Any]) -> EmulatedPlace:
        return EmulatedPlace(buffers, compiled, self._order, self._seed)

    def runner(self, calls: list[Callable[[], Any]], plan: Plan) -> Callable[[], Any]:
        def run() -> None:
            for call in calls:
                call()

        return run

    def synchronize(self) -> None:
        """An emulated launch returns when it is done."""

    def close(self) -> None:
        """The buffers have given back what there was."""
