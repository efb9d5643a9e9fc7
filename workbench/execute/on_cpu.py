"""Plans on the CPU: host functions by ctypes, library calls on torch tensors over the same memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from workbench.declare import Plan, Tensor
from workbench.dtypes import numpy_copy, numpy_dtype, poison, torch_view
from workbench.execute.calls import TensorCalls
from workbench.execute.host_memory import HostBuffer
from workbench.host_steps import HostPlace
from workbench.steps import Source


class CpuBuffers:
    """See `workbench.execute.load.Buffers`."""

    def __init__(self) -> None:
        self._buffers: dict[str, HostBuffer] = {}
        self._arrays: dict[str, Any] = {}
        self._dtypes: dict[str, str] = {}
        self.calls = TensorCalls(self._tensor)

    def create(self, tensor: Tensor) -> None:
        buffer = HostBuffer(tensor.name, tensor.nbytes)
        self._buffers[tensor.name], self._dtypes[tensor.name] = buffer, tensor.dtype
        self._arrays[tensor.name] = buffer.view(tensor.shape, numpy_dtype(tensor.dtype))

    def absent(self, name: str) -> None:
        self._arrays[name] = None

    def load(self, name: str, array: Any) -> None:
        self._arrays[name][...] = array
        self.calls.given(name)

    def copy(self, tensor: Tensor) -> Any:
        if tensor.name in self.calls.returned:
            return numpy_copy(self.calls.tensors[tensor.name], tensor.dtype)
        return self._arrays[tensor.name]

    def poison(self, name: str) -> None:
        poison(self._arrays[name])
        self.calls.forget(name)

    def check(self) -> None:
        for buffer in self._buffers.values():
            buffer.check()

    def memory(self) -> list[tuple[int, int]]:
        return [(buffer.address, buffer.nbytes) for buffer in self._buffers.values()]

    def release(self) -> None:
        self.calls.tensors.clear()
        self._arrays.clear()
        self._buffers.clear()

    def get(self, name: str) -> Any:
        return self._arrays[name]

    def _tensor(self, name: str) -> Any:
        array = self._arrays[name]
        return None if array is None else torch_view(array, self._dtypes[name])


class CpuPlace(HostPlace):
    """See `workbench.steps.Place`."""

    memory: CpuBuffers

    def __init__(self, memory: CpuBuffers, compiled: Callable[[Source], Any], threads: ThreadPoolExecutor) -> None:
        super().__init__(memory, compiled)
        self._threads = threads

    def python(
        self, function: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> Callable[[], None]:
        return self.memory.calls.bound(function, inputs, outputs, self.later)

    def together(self, branches: Sequence[Callable[[], Any]]) -> Callable[[], Any]:
        """Each in a thread, among which torch's are shared out."""
        if len(branches) == 1:
            return branches[0]
        import torch

        submit, whole = self._threads.submit, torch.get_num_threads()
        share = max(1, whole // len(branches))

        def alone(branch: Callable[[], Any]) -> None:
            torch.set_num_threads(share)  # of this thread
            branch()

        def run() -> None:
            begun = [submit(alone, branch) for branch in branches]
            wait(begun)
            torch.set_num_threads(whole)  # of threads begun later: torch takes the last that anyone has set
            for one in begun:
                one.result()

        return run


class CpuTarget:
    """See `workbench.execute.load.Target`."""

    arch = ""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(os.cpu_count())
        """Of branches; begun when one is."""

    def buffers(self) -> CpuBuffers:
        return CpuBuffers()

    def place(self, buffers: CpuBuffers, compiled: Callable[[Source], Any]) -> CpuPlace:
        return CpuPlace(buffers, compiled, self._threads)

    def runner(self, calls: list[Callable[[], Any]], plan: Plan) -> Callable[[], Any]:
        if len(calls) == 1:
            return calls[0]

        def run() -> None:
            for call in calls:
                call()

        return run

    def synchronize(self) -> None:
        """Host functions have returned when they are done."""

    def close(self) -> None:
        """The buffers have given back what there was else."""
        self._threads.shutdown()
