"""Plans on an NVIDIA GPU: kernels launched by cuda.core on torch's current stream, tensors by pointer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from workbench.arguments import c_number
from workbench.declare import DTYPE_BYTES, Argument, At, Call, Clear, Host, Kernel, Plan, Tensor
from workbench.dtypes import numpy_copy, torch_view
from workbench.execute.bound import Inputs
from workbench.execute.calls import bind_call
from workbench.execute.host_memory import GuardBroken
from workbench.problem import Problem

GUARD_BYTES = 4096
"""Canary bytes on each side of a tensor; allocations are 512-byte aligned, so the data stays aligned too."""
CANARY = 0xC5
STATIC_SHARED_LIMIT = 48 << 10
"""Dynamic shared memory above this needs the kernel's explicit consent (CUDA programming guide, §Shared Memory)."""


def current_arch() -> str:
    """The architecture of torch's current GPU, such as `sm_90`."""
    import torch

    major, minor = torch.cuda.get_device_capability()
    return f"sm_{major}{minor}"


class CudaBound:
    """See `Bound`."""

    def __init__(self, plan: Plan, tensors: Sequence[Tensor], inputs: Sequence[Inputs], dtype: str) -> None:
        import torch
        from cuda.core import Device

        torch.cuda.init()
        Device(torch.cuda.current_device()).set_current()
        self._torch = torch
        self.sets = len(inputs)
        kernels = _load_kernels(plan, dtype)
        self._sets = [_DeviceSet(plan, tensors, values, kernels) for values in inputs]
        self._graphs: list[Any] = []
        if plan.graph:
            self._graphs = [self._capture(one) for one in self._sets]

    def _capture(self, one: _DeviceSet) -> Any:
        """The set's steps as one CUDA graph. They run once before, so that libraries allocate outside the capture."""
        torch = self._torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            one.run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            one.run()
        return graph

    def run(self, index: int = 0) -> None:
        if self._graphs:
            self._graphs[index].replay()
        else:
            self._sets[index].run()

    def synchronize(self) -> None:
        self._torch.cuda.synchronize()

    def poison(self, index: int = 0) -> None:
        self._sets[index].poison()

    def load(self, inputs: Inputs, index: int = 0) -> None:
        self._sets[index].load(inputs)
        self.synchronize()

    def inputs(self, index: int = 0) -> dict[str, Any]:
        self.synchronize()
        return self._sets[index].inputs()

    def outputs(self, index: int = 0) -> dict[str, Any]:
        self.synchronize()
        return self._sets[index].outputs()

    def close(self) -> None:
        self._graphs.clear()
        self._sets.clear()
        self._torch.cuda.empty_cache()


class _DeviceSet:
    """One set of tensors on the GPU and the plan's steps on them."""

    def __init__(self, plan: Plan, tensors: Sequence[Tensor], inputs: Inputs, kernels: dict[Any, Any]) -> None:
        import torch

        self.declared = {t.name: t for t in (*tensors, *plan.scratch)}
        self.whole: dict[str, Any] = {}
        self.tensors: dict[str, Any] = {}
        for tensor in self.declared.values():
            if tensor.given and inputs.get(tensor.name) is None:
                self.tensors[tensor.name] = None
                continue
            whole = torch.full((tensor.nbytes + 2 * GUARD_BYTES,), CANARY, dtype=torch.uint8, device="cuda")
            view = whole[GUARD_BYTES : GUARD_BYTES + tensor.nbytes].view(_torch_dtype(tensor.dtype))
            self.whole[tensor.name], self.tensors[tensor.name] = whole, view.view(tensor.shape)
        self.before: dict[str, Any] = {}
        self.load(inputs)
        self.returned: set[str] = set()
        self.poison()
        self.steps = [self._bind(plan, position, kernels) for position in range(len(plan.steps))]

    def run(self) -> None:
        stream = TorchStream()
        for step in self.steps:
            step(stream)

    def _bind(self, plan: Plan, position: int, kernels: dict[Any, Any]) -> Callable[[Any], None]:
        step = plan.steps[position]
        if isinstance(step, Kernel):
            return self._bind_kernel(step, kernels[(step.source, step.defines, step.function)])
        if isinstance(step, Call):
            call, returned = bind_call(step, plan.steps[position + 1 :], self.tensors)
            self.returned |= returned
            return lambda stream: call()
        if isinstance(step, Clear):
            zero = self.tensors[step.tensor].view(-1).zero_
            return lambda stream: zero()
        assert isinstance(step, Host)
        raise Problem(f"{step.source.name}: a host function cannot take part in a plan on the GPU")

    def _bind_kernel(self, step: Kernel, kernel: Any) -> Callable[[Any], None]:
        from cuda.core import LaunchConfig, launch

        if step.shared_bytes > STATIC_SHARED_LIMIT:
            kernel.attributes.max_dynamic_shared_size_bytes = step.shared_bytes
        config = LaunchConfig(grid=step.grid, block=step.block, shmem_size=step.shared_bytes)
        arguments = [self._argument(argument) for argument in step.arguments]
        return functools.partial(_launch, launch, config, kernel, arguments)

    def _argument(self, argument: Argument) -> Any:
        """cuda.core's convention: a plain int is a pointer, ctypes scalars are passed by value."""
        if isinstance(argument, str | At):
            name = argument if isinstance(argument, str) else argument.tensor
            tensor = self.tensors[name]
            if tensor is None:
                return 0
            offset = 0 if isinstance(argument, str) else argument.offset * DTYPE_BYTES[self.declared[name].dtype]
            return int(tensor.data_ptr()) + offset
        return 0 if argument is None else c_number(argument)

    def load(self, inputs: Inputs) -> None:
        for name, tensor in self._given():
            self.tensors[name].copy_(torch_view(inputs[name], tensor.dtype))
            if tensor.role == "in_place":
                self.before[name] = self.tensors[name].clone()

    def inputs(self) -> dict[str, Any]:
        return {name: numpy_copy(self.tensors[name], tensor.dtype) for name, tensor in self._given()}

    def _given(self) -> list[tuple[str, Tensor]]:
        """The inputs that are not absent."""
        return [(name, t) for name, t in self.declared.items() if t.given and name in self.whole]

    def poison(self) -> None:
        for name, tensor in self.declared.items():
            if not tensor.given:
                self.whole[name][GUARD_BYTES : GUARD_BYTES + tensor.nbytes].fill_(0xFF)
        for name, values in self.before.items():
            self.tensors[name].copy_(values)
        for name in self.returned:
            self.tensors[name] = None

    def outputs(self) -> dict[str, Any]:
        for name, whole in self.whole.items():
            end = GUARD_BYTES + self.declared[name].nbytes
            if bool((whole[:GUARD_BYTES] != CANARY).any()) or bool((whole[end:] != CANARY).any()):
                raise GuardBroken(f"wrote outside {name}")
        return {
            name: numpy_copy(self.tensors[name], tensor.dtype)
            for name, tensor in self.declared.items()
            if tensor.compared
        }


class TorchStream:
    """torch's current stream under the protocol that cuda.core reads streams by."""

    def __init__(self) -> None:
        import torch

        self.handle = torch.cuda.current_stream().cuda_stream

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, self.handle)


def _launch(launch: Any, config: Any, kernel: Any, arguments: list[Any], stream: Any) -> None:
    launch(stream, config, kernel, *arguments)


def _torch_dtype(name: str) -> Any:
    import torch

    return getattr(torch, name)


def _load_kernels(plan: Plan, dtype: str) -> dict[Any, Any]:
    """Every kernel of the plan, compiled for this GPU and loaded, by (source, defines, function)."""
    from cuda.core import ObjectCode

    from workbench.build import build_or_raise, unit_of

    arch = current_arch()
    units = {(k.source, k.defines): unit_of(k, dtype, arch) for k in plan.kernels()}
    built = build_or_raise(set(units.values()))
    modules = {key: ObjectCode.from_cubin(str(built[unit].path)) for key, unit in units.items()}
    names = {(k.source, k.defines, k.function) for k in plan.kernels()}
    return {
        (source, defines, function): modules[(source, defines)].get_kernel(function)
        for source, defines, function in names
    }
