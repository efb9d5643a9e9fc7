"""Plans on an NVIDIA GPU: kernels launched by cuda.core on torch's current stream, tensors by pointer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from workbench.arguments import c_argument
from workbench.compile import Binary
from workbench.declare import DTYPE_BYTES, Argument, Plan, Step, Tensor
from workbench.dtypes import numpy_copy, torch_view
from workbench.execute.calls import TensorCalls
from workbench.execute.cuda_kernel import launcher, passed
from workbench.execute.host_memory import CANARY, GuardBroken
from workbench.problem import Problem
from workbench.steps import Launch, Source

GUARD_BYTES = 4096
"""Canary bytes on each side of a tensor; allocations are 512-byte aligned, so the data stays aligned too."""


def current_arch() -> str:
    """The architecture of torch's current GPU, such as `sm_90`."""
    import torch

    major, minor = torch.cuda.get_device_capability()
    return f"sm_{major}{minor}"


class CudaBuffers:
    """See `workbench.execute.load.Buffers`."""

    def __init__(self) -> None:
        self._whole: dict[str, Any] = {}
        self._tensors: dict[str, Any] = {}
        self._declared: dict[str, Tensor] = {}
        self.calls = TensorCalls(self._tensors.__getitem__)

    def create(self, tensor: Tensor) -> None:
        """Poisoned from the start: a graph is captured, and so evaluated, before anybody else could do it."""
        import torch

        whole = torch.full((tensor.nbytes + 2 * GUARD_BYTES,), CANARY, dtype=torch.uint8, device="cuda")
        view = whole[GUARD_BYTES : GUARD_BYTES + tensor.nbytes].view(_torch_dtype(tensor.dtype))
        self._whole[tensor.name], self._tensors[tensor.name] = whole, view.view(tensor.shape)
        self._declared[tensor.name] = tensor
        self.poison(tensor.name)

    def absent(self, name: str) -> None:
        self._tensors[name] = None

    def load(self, name: str, array: Any) -> None:
        self._tensors[name].copy_(torch_view(array, self._declared[name].dtype))
        self.calls.given(name)

    def copy(self, tensor: Tensor) -> Any:
        held = self.calls.tensors if tensor.name in self.calls.returned else self._tensors
        return numpy_copy(held[tensor.name], tensor.dtype)

    def poison(self, name: str) -> None:
        self._whole[name][GUARD_BYTES : GUARD_BYTES + self._declared[name].nbytes].fill_(0xFF)
        self.calls.forget(name)

    def check(self) -> None:
        for name, whole in self._whole.items():
            end = GUARD_BYTES + self._declared[name].nbytes
            if bool((whole[:GUARD_BYTES] != CANARY).any()) or bool((whole[end:] != CANARY).any()):
                raise GuardBroken(f"wrote outside {name}")

    def release(self) -> None:
        self.calls.tensors.clear()
        self._tensors.clear()
        self._whole.clear()

    def tensor(self, name: str) -> Any:
        return self._tensors[name]

    def address(self, name: str) -> int | None:
        tensor = self._tensors[name]
        return None if tensor is None else int(tensor.data_ptr())

    def item_bytes(self, name: str) -> int:
        return DTYPE_BYTES[self._declared[name].dtype] if name in self._declared else 0


class CudaPlace:
    """See `workbench.steps.Place`."""

    def __init__(self, buffers: CudaBuffers, compiled: Callable[[Source], Binary], target: CudaTarget) -> None:
        self.later: Sequence[Step] = ()
        self._buffers, self._compiled, self._target = buffers, compiled, target

    def argument(self, argument: Argument) -> Any:
        return passed(argument, c_argument(argument, self._buffers.address, self._buffers.item_bytes))

    host_argument = argument

    def kernel(self, source: Source, launch: Launch, arguments: list[Any]) -> Callable[[], None]:
        run, target = launcher(source, self._compiled(source), launch), self._target
        return lambda: run(target.stream, arguments)

    def host(self, source: Source, arguments: Sequence[Any]) -> Callable[[], Any]:
        raise Problem(f"{source.path.name}: a host function cannot take part in a plan on the GPU")

    def python(
        self, function: Callable[..., Any], inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> Callable[[], None]:
        return self._buffers.calls.bound(function, inputs, outputs, self.later)

    def clear(self, tensor: str) -> Callable[[], Any]:
        zero: Callable[[], Any] = self._buffers.tensor(tensor).view(-1).zero_
        return zero

    def together(self, branches: Sequence[Callable[[], Any]]) -> Callable[[], Any]:
        """The first on the stream of the evaluation, each other on one of its own, which waits for it and which it
        waits for: a graph that is being captured so has them side by side."""
        sides, target = self._target.side_streams(len(branches) - 1), self._target

        def run() -> None:
            import torch

            main = torch.cuda.current_stream()
            for side in sides:
                side.wait_stream(main)
            branches[0]()
            for side, branch in zip(sides, branches[1:], strict=True):
                with torch.cuda.stream(side), target.on_current_stream():
                    branch()
            for side in sides:
                main.wait_stream(side)

        return run


class CudaTarget:
    """See `workbench.execute.load.Target`."""

    def __init__(self) -> None:
        import torch
        from cuda.core import Device

        torch.cuda.init()
        Device(torch.cuda.current_device()).set_current()
        self._torch = torch
        self.arch = current_arch()
        self.stream: Any = torch_stream()
        """torch's current one when an evaluation begins."""
        self._graphs: list[Any] = []
        self._sides: list[Any] = []

    def side_streams(self, count: int) -> list[Any]:
        """torch's streams for branches beside the first; the same ones for every step of a plan."""
        while len(self._sides) < count:
            self._sides.append(self._torch.cuda.Stream())
        return self._sides[:count]

    @contextlib.contextmanager
    def on_current_stream(self) -> Iterator[None]:
        """Kernels go to torch's current stream, as within an evaluation before and afterwards."""
        before, self.stream = self.stream, torch_stream()
        try:
            yield
        finally:
            self.stream = before

    def buffers(self) -> CudaBuffers:
        return CudaBuffers()

    def place(self, buffers: CudaBuffers, compiled: Callable[[Source], Binary]) -> CudaPlace:
        return CudaPlace(buffers, compiled, self)

    def runner(self, calls: list[Callable[[], Any]], plan: Plan) -> Callable[[], Any]:
        def run() -> None:
            self.stream = torch_stream()
            for call in calls:
                call()

        return self._captured(run) if plan.graph else run

    def _captured(self, run: Callable[[], None]) -> Callable[[], Any]:
        """The steps as one CUDA graph. They run once before, so that libraries allocate outside the capture."""
        torch = self._torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        self._graphs.append(graph)
        replay: Callable[[], Any] = graph.replay
        return replay

    def synchronize(self) -> None:
        self._torch.cuda.synchronize()

    def close(self) -> None:
        self._graphs.clear()
        self._torch.cuda.empty_cache()


def torch_stream() -> Any:
    """torch's current stream as cuda.core's."""
    import torch
    from cuda.core import Stream

    return Stream.from_handle(torch.cuda.current_stream().cuda_stream)


def _torch_dtype(name: str) -> Any:
    import torch

    return getattr(torch, name)
