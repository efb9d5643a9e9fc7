"""Steps of a plan that are no kernels, done on the host over buffers that share the kernels' memory."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from workbench.arguments import c_argument
from workbench.declare import Call, Clear, Host
from workbench.dtypes import torch_view


class HasPath(Protocol):
    @property
    def path(self) -> Path: ...


class Buffers(Protocol):
    """Named numpy arrays: what kernels are emulated or simulated over."""

    def array(self, name: str) -> Any: ...
    def get(self, name: str) -> Any: ...


def path_of(binary: HasPath | Path) -> Path:
    return binary if isinstance(binary, Path) else binary.path


def clear(step: Clear, memory: Buffers) -> None:
    """Every byte of the tensor becomes zero."""
    memory.array(step.tensor).view(np.uint8).fill(0)


def host(library: Path, step: Host, memory: Buffers) -> None:
    """Calls an `extern "C" void` function of a host library. A stray access there ends the process."""
    function = getattr(ctypes.CDLL(str(library)), step.function)
    function.restype = None

    def address(name: str) -> int | None:
        array = memory.get(name)
        return None if array is None else int(array.ctypes.data)

    function(*(c_argument(a, address, lambda name: memory.array(name).itemsize) for a in step.arguments))


def call(step: Call, memory: Buffers) -> None:
    """Calls a Python function over torch tensors that share the buffers; what it returns is copied into the outputs."""
    results = step.function(*(_tensor(name, memory) for name in step.inputs))
    if results is None:
        return
    if len(step.outputs) == 1 and not isinstance(results, (tuple, list)):
        results = (results,)
    for name, result in zip(step.outputs, results, strict=True):
        target = _tensor(name, memory)
        target.copy_(result.reshape(target.shape))


def _tensor(name: str, memory: Buffers) -> Any:
    array = memory.get(name)
    return None if array is None else torch_view(array, array.dtype.name)
