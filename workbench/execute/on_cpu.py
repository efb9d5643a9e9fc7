"""Plans on the CPU: host functions by ctypes, library calls on torch tensors over the same memory."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

from workbench.arguments import c_argument
from workbench.declare import DTYPE_BYTES, Call, Clear, Host, Kernel, Plan, Tensor
from workbench.dtypes import numpy_copy, numpy_dtype, poison, torch_view
from workbench.execute.bound import Inputs
from workbench.execute.calls import bind_call
from workbench.execute.host_memory import HostBuffer
from workbench.problem import Problem


class CpuBound:
    """See `Bound`."""

    def __init__(self, plan: Plan, tensors: Sequence[Tensor], inputs: Sequence[Inputs], dtype: str) -> None:
        self.sets = len(inputs)
        self._libraries = _host_libraries(plan, dtype)
        self._sets = [_HostSet(plan, tensors, values, self._libraries, dtype) for values in inputs]
        self._runs = [_in_turn(one.calls) for one in self._sets]

    def run(self, index: int = 0) -> None:
        self._runs[index]()

    def synchronize(self) -> None:
        """Host functions have returned when they are done."""

    def poison(self, index: int = 0) -> None:
        self._sets[index].poison()

    def load(self, inputs: Inputs, index: int = 0) -> None:
        self._sets[index].load(inputs)

    def inputs(self, index: int = 0) -> dict[str, Any]:
        return self._sets[index].inputs()

    def outputs(self, index: int = 0) -> dict[str, Any]:
        return self._sets[index].outputs()

    def close(self) -> None:
        self._runs.clear()
        self._sets.clear()


def _in_turn(calls: list[Callable[[], Any]]) -> Callable[[], Any]:
    """All of them, with as little as possible around a single one: what stands there is timed with it."""
    if len(calls) == 1:
        return calls[0]

    def run() -> None:
        for call in calls:
            call()

    return run


class _HostSet:
    """One set of buffers and the plan's steps on it."""

    def __init__(
        self, plan: Plan, tensors: Sequence[Tensor], inputs: Inputs, libraries: dict[Any, Any], dtype: str
    ) -> None:
        self.tensors = {t.name: t for t in (*tensors, *plan.scratch)}
        self.buffers: dict[str, HostBuffer] = {}
        self.arrays: dict[str, Any] = {}
        for tensor in self.tensors.values():
            if tensor.given and inputs.get(tensor.name) is None:
                self.arrays[tensor.name] = None
                continue
            buffer = HostBuffer(tensor.name, tensor.nbytes)
            self.buffers[tensor.name] = buffer
            self.arrays[tensor.name] = buffer.view(tensor.shape, numpy_dtype(tensor.dtype))
        self.before: dict[str, Any] = {}
        self.load(inputs)
        self.torch: dict[str, Any] = {}
        if any(isinstance(step, Call) for step in plan.steps):
            for name, array in self.arrays.items():
                self.torch[name] = None if array is None else torch_view(array, self.tensors[name].dtype)
        self.returned: set[str] = set()
        self.calls = self._calls(plan, libraries, dtype)

    def _calls(self, plan: Plan, libraries: dict[Any, Any], dtype: str) -> list[Callable[[], Any]]:
        calls: list[Callable[[], Any]] = []
        for position, step in enumerate(plan.steps):
            if isinstance(step, Host):
                function = libraries[(step.source, step.defines)][step.function]
                function.restype = None
                arguments = [c_argument(a, self._address, self._item_bytes) for a in step.arguments]
                calls.append(functools.partial(function, *arguments))
            elif isinstance(step, Call):
                call, returned = bind_call(step, plan.steps[position + 1 :], self.torch)
                self.returned |= returned
                calls.append(call)
            elif isinstance(step, Clear):
                buffer = self.buffers[step.tensor]
                calls.append(functools.partial(ctypes.memset, buffer.address, 0, buffer.nbytes))
            elif isinstance(step, Kernel):
                raise Problem(f"{step.source.name}: a CUDA kernel does not run on the CPU; it can be emulated")
        return calls

    def _address(self, name: str) -> int | None:
        return self.buffers[name].address if name in self.buffers else None

    def _item_bytes(self, name: str) -> int:
        return DTYPE_BYTES[self.tensors[name].dtype]

    def load(self, inputs: Inputs) -> None:
        for name, array in self.inputs().items():
            array[...] = inputs[name]
            if self.tensors[name].role == "in_place":
                self.before[name] = array.copy()

    def inputs(self) -> dict[str, Any]:
        return {name: self.arrays[name] for name, t in self.tensors.items() if t.given and name in self.buffers}

    def poison(self) -> None:
        for name, tensor in self.tensors.items():
            if not tensor.given:
                poison(self.arrays[name])
        for name, values in self.before.items():
            self.arrays[name][...] = values
        for name in self.returned:
            self.torch[name] = None

    def outputs(self) -> dict[str, Any]:
        for buffer in self.buffers.values():
            buffer.check()
        found = {}
        for name, tensor in self.tensors.items():
            if tensor.compared:
                in_torch = name in self.returned
                found[name] = numpy_copy(self.torch[name], tensor.dtype) if in_torch else self.arrays[name]
        return found


def _host_libraries(plan: Plan, dtype: str) -> dict[Any, Any]:
    """The compiled library of every host source of the plan."""
    from workbench.build import build_or_raise, unit_of

    units = {(s.source, s.defines): unit_of(s, dtype, "host") for s in plan.steps if isinstance(s, Host)}
    built = build_or_raise(set(units.values()))
    return {key: ctypes.CDLL(str(built[unit].path)) for key, unit in units.items()}
