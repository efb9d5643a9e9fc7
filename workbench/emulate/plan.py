"""Runs every step of a plan on the host: kernels emulated, host functions called, torch on the same memory."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from workbench.arguments import c_argument
from workbench.declare import Call, Clear, Host, Plan
from workbench.dtypes import torch_view
from workbench.emulate.launch import launch
from workbench.emulate.memory import Memory


class HasPath(Protocol):
    @property
    def path(self) -> Path: ...


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
    from workbench.build import unit_of

    for tensor in plan.scratch:
        if tensor.name not in memory:
            memory.empty(tensor)
    for number, step in enumerate(plan.steps):
        if isinstance(step, Clear):
            memory.array(step.tensor).view(np.uint8).fill(0)
        elif isinstance(step, Call):
            call(step, memory)
        elif isinstance(step, Host):
            host(_path(libraries[unit_of(step, dtype, "host")]), step, memory)
        else:
            path = _path(libraries[unit_of(step, dtype, "emulated")])
            launch(path, step, memory, order, seed + number, resident_blocks)


def host(library: Path, step: Host, memory: Memory) -> None:
    """Calls an `extern "C" void` function of a host library. A stray access there ends the process."""
    function = getattr(ctypes.CDLL(str(library)), step.function)
    function.restype = None

    def address(name: str) -> int | None:
        array = memory.get(name)
        return None if array is None else int(array.ctypes.data)

    function(*(c_argument(a, address, lambda name: memory.array(name).itemsize) for a in step.arguments))
    memory.check(step.function)


def call(step: Call, memory: Memory) -> None:
    """Calls a Python function over torch tensors that share the buffers; what it returns is copied into the outputs."""
    results = step.function(*(_tensor(name, memory) for name in step.inputs))
    if results is None:
        return
    if len(step.outputs) == 1 and not isinstance(results, (tuple, list)):
        results = (results,)
    for name, result in zip(step.outputs, results, strict=True):
        target = _tensor(name, memory)
        target.copy_(result.reshape(target.shape))


def _tensor(name: str, memory: Memory) -> Any:
    array = memory.get(name)
    return None if array is None else torch_view(array, array.dtype.name)


def _path(binary: HasPath | Path) -> Path:
    return binary if isinstance(binary, Path) else binary.path
