"""Builds a CUDA source for emulation, and launches one of its kernels over arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.build import Binary, Unit, build_unit
from workbench.declare import Argument, Kernel
from workbench.emulate import Memory, launch

KERNELS = Path(__file__).parent / "kernels"


def emulated(source: Path, dtype: str = "float32", defines: tuple[tuple[str, int | str], ...] = ()) -> Path:
    """The library of a source compiled for emulation."""
    built = build_unit(Unit(source, dtype, defines, "emulated"))
    assert isinstance(built, Binary), built.message
    return built.path


class Emulator:
    """Launches kernels of one source; what the last launch left is in `memory`."""

    def __init__(self, source: str) -> None:
        self.library = emulated(KERNELS / source)
        self.memory: Memory | None = None

    def __call__(
        self,
        function: str,
        arrays: dict[str, np.ndarray[Any, Any]],
        *numbers: Argument,
        grid: tuple[int, int, int] = (1, 1, 1),
        block: tuple[int, int, int] = (64, 1, 1),
        shared: int = 0,
        order: str = "forward",
        seed: int = 0,
        resident: int | None = None,
    ) -> dict[str, np.ndarray[Any, Any]]:
        self.release()
        self.memory = Memory(order)
        for name, array in arrays.items():
            self.memory.put(name, array)
        kernel = Kernel(Path("test.cu"), function, grid, block, (*arrays, *numbers), shared)
        launch(self.library, kernel, self.memory, order, seed, resident)
        return {name: self.memory.array(name) for name in arrays if arrays[name] is not None}

    def release(self) -> None:
        if self.memory is not None:
            self.memory.release()
        self.memory = None


@pytest.fixture
def kernels_of() -> Iterator[Callable[[str], Emulator]]:
    made: list[Emulator] = []

    def make(source: str) -> Emulator:
        made.append(Emulator(source))
        return made[-1]

    yield make
    for emulator in made:
        emulator.release()
