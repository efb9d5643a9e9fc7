"""A place on the host: host functions called and Python functions run over buffers that share the kernels' memory.

The CPU and the simulator are such places; they differ in what a kernel is there.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from workbench.arguments import c_argument
from workbench.declare import Argument, Plan, Step
from workbench.dtypes import torch_view
from workbench.problem import Problem
from workbench.steps import Launch, Source, kind_of

MATH = "libm.so.6"
FENV_BYTES = 64
"""At least what C's fenv_t takes: 32 bytes on x86-64, 8 on AArch64."""


class HasPath(Protocol):
    @property
    def path(self) -> Path: ...


class Buffers(Protocol):
    """Named numpy arrays: what a plan's steps are done over."""

    def get(self, name: str) -> Any:
        """The array that shares the buffer's memory; None for an absent optional tensor."""


def path_of(binary: HasPath | Path) -> Path:
    return binary if isinstance(binary, Path) else binary.path


class HostPlace:
    """See `workbench.steps.Place`. `compiled` gives the binary of what a step is compiled from."""

    def __init__(self, memory: Buffers, compiled: Callable[[Source], HasPath | Path]) -> None:
        self.memory = memory
        self.later: Sequence[Step] = ()
        self._compiled = compiled

    def path(self, source: Source) -> Path:
        return path_of(self._compiled(source))

    def argument(self, argument: Argument) -> Any:
        return self.host_argument(argument)

    def host_argument(self, argument: Argument) -> Any:
        return c_argument(argument, self._address, self._item_bytes)

    def _address(self, name: str) -> int | None:
        array = self.memory.get(name)
        return None if array is None else int(array.ctypes.data)

    def _item_bytes(self, name: str) -> int:
        array = self.memory.get(name)
        return 0 if array is None else int(array.itemsize)

    def kernel(self, source: Source, launch: Launch, arguments: list[Any]) -> Callable[[], None]:
        raise Problem(f"{source.path.name}: a CUDA kernel does not run on the CPU; it can be simulated")

    def host(self, source: Source, arguments: Sequence[Any]) -> Callable[[], Any]:
        """A stray access in it ends the process."""
        function = getattr(host_library(self.path(source)), source.function)
        function.restype = None
        if isinstance(arguments, tuple):  # as little as possible around it: what stands there is timed with it
            return functools.partial(function, *arguments)
        return lambda: function(*arguments)

    def python(
        self, function: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> Callable[[], None]:
        """What it returns is copied into the outputs."""

        def call() -> None:
            for name, result in results_of(function, [self.torch(name) for name in inputs], outputs):
                target = self.torch(name)
                target.copy_(result.reshape(target.shape))

        return call

    def torch(self, name: str) -> Any:
        array = self.memory.get(name)
        return None if array is None else torch_view(array, array.dtype.name)

    def clear(self, tensor: str) -> Callable[[], Any]:
        array = self.memory.get(tensor)
        return functools.partial(ctypes.memset, int(array.ctypes.data), 0, array.nbytes)

    def together(self, branches: Sequence[Callable[[], Any]]) -> Callable[[], Any]:
        """One after the other."""

        def run() -> None:
            for branch in branches:
                branch()

        return run


@functools.cache
def host_library(path: Path) -> ctypes.CDLL:
    """The library, opened without what that does to this thread's arithmetic.

    Until GCC 13 a library linked with -ffast-math makes the thread that opens it flush subnormal numbers to zero:
    whatever is compared or timed in the process afterwards would be by other rules.
    """
    arithmetic = ctypes.create_string_buffer(FENV_BYTES)
    ctypes.CDLL(MATH).fegetenv(arithmetic)
    try:
        return ctypes.CDLL(str(path))
    finally:
        ctypes.CDLL(MATH).fesetenv(arithmetic)


def bound_steps(plan: Plan, place: Any) -> Iterator[Callable[[], Any]]:
    """Every step of the plan on the place, in order."""
    for position, step in enumerate(plan.steps):
        place.later = plan.steps[position + 1 :]
        yield kind_of(step).bind(step, place)


def results_of(function: Callable[..., Any], inputs: Sequence[Any], outputs: tuple[str, ...]) -> list[tuple[str, Any]]:
    """What the function makes of the tensors, by output; nothing where it has written them itself. Raises TypeError for
    anything but computed tensors."""
    import torch

    name = getattr(function, "__name__", repr(function))
    result = function(*inputs)
    if result is None:
        if outputs:
            raise TypeError(f"{name} returned nothing for its outputs {', '.join(outputs)}")
        return []
    values = tuple(result) if isinstance(result, tuple | list) else (result,)
    for value in values:
        if type(value) not in (torch.Tensor, torch.nn.Parameter):
            raise TypeError(
                f"{name} returned a {type(value).__name__}; a plan's call returns torch.Tensor, computed: a subclass "
                "may leave the work to whoever looks at it"
            )
    return list(zip(outputs, values, strict=True))
