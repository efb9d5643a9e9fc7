"""A variant on torch tensors, where they are: host functions on the CPU, kernels on torch's current stream of a GPU."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from workbench.arguments import c_argument, c_number
from workbench.catalog import Catalog, load_catalog
from workbench.declare import DTYPE_BYTES, Argument, At, Clear, Defines, Host, Kernel, Plan, Setting, Shape
from workbench.dispatch.native import host_function
from workbench.problem import Problem, SourceError

Tensors = dict[str, Any]
"""torch tensors by the names that the plan knows, contiguous; None for an optional input that is absent."""

SHARED_WITHOUT_CONSENT = 48 << 10
"""Dynamic shared memory above this must be asked for, kernel by kernel (CUDA programming guide, §Shared Memory)."""


@functools.lru_cache(maxsize=1024)
def prepare(
    operation: str, variant: str, settings: tuple[tuple[str, Setting], ...], shape: Shape, device: str
) -> Callable[[Tensors], None]:
    """A function that runs the variant on tensors of this shape: outputs are among them and are written in place.

    Compiling and loading happen here, so that the function itself can be captured into a CUDA graph. Scratch memory is
    torch's. Raises Problem for a variant that cannot run so: one that is made of library calls, or does not fit.
    """
    found = _catalog().variant(f"{operation}/{variant}")
    reason = found.supports(shape)
    if reason is not None:
        raise Problem(f"{found.key} at {shape}: unsupported, {reason}")
    plan = found.plan(shape, {**found.default_settings(), **dict(settings)})
    item_bytes = {
        t.name: DTYPE_BYTES[t.dtype] for t in (*_catalog().operation(operation).tensors(shape), *plan.scratch)
    }
    steps = [_step(plan, step, shape.dtype, item_bytes, device) for step in plan.steps]

    def run(tensors: Tensors) -> None:
        with_scratch = _scratch(plan, tensors, device) if plan.scratch else tensors
        for step in steps:
            step(with_scratch)

    return run


@functools.cache
def _catalog() -> Catalog:
    return load_catalog()


def _scratch(plan: Plan, tensors: Tensors, device: str) -> Tensors:
    import torch

    made = {t.name: torch.empty(t.shape, dtype=getattr(torch, t.dtype), device=device) for t in plan.scratch}
    return {**tensors, **made}


def _step(
    plan: Plan, step: object, dtype: str, item_bytes: Mapping[str, int], device: str
) -> Callable[[Tensors], None]:
    if isinstance(step, Clear):
        name = step.tensor
        return lambda tensors: tensors[name].zero_()
    if isinstance(step, Host) and device == "cpu":
        return _host(step, dtype, item_bytes)
    if isinstance(step, Kernel) and device != "cpu":
        return _kernel(step, dtype, item_bytes)
    raise Problem(f"a plan with a {type(step).__name__} cannot run on {device} tensors")


def _host(step: Host, dtype: str, item_bytes: Mapping[str, int]) -> Callable[[Tensors], None]:
    function = host_function(step.source, step.function, dtype, step.defines)

    def call(tensors: Tensors) -> None:
        function(*(c_argument(argument, lambda name: _address(tensors, name), _bytes) for argument in step.arguments))

    _bytes = item_bytes.__getitem__
    return call


def _kernel(step: Kernel, dtype: str, item_bytes: Mapping[str, int]) -> Callable[[Tensors], None]:
    from cuda.core import LaunchConfig, launch

    from workbench.execute.on_cuda import TorchStream

    kernel = _load(step.source, step.function, dtype, step.defines)
    if step.shared_bytes > SHARED_WITHOUT_CONSENT:
        kernel.attributes.max_dynamic_shared_size_bytes = step.shared_bytes
    config = LaunchConfig(grid=step.grid, block=step.block, shmem_size=step.shared_bytes)

    def call(tensors: Tensors) -> None:
        launch(TorchStream(), config, kernel, *(_argument(a, tensors, item_bytes) for a in step.arguments))

    return call


def _load(source: Any, function: str, dtype: str, defines: Defines) -> Any:
    """A kernel compiled for torch's current GPU and loaded into its context."""
    import torch
    from cuda.core import Device, ObjectCode

    from workbench.build import CompileFailure, Unit, build_unit, first_errors
    from workbench.execute.on_cuda import current_arch

    torch.cuda.init()
    Device(torch.cuda.current_device()).set_current()
    built = build_unit(Unit(source, dtype, defines, current_arch()))
    if isinstance(built, CompileFailure):
        raise SourceError(f"{source.name} does not compile: {first_errors(built)}")
    return ObjectCode.from_cubin(str(built.path)).get_kernel(function)


def _address(tensors: Tensors, name: str) -> int | None:
    tensor = tensors[name]
    return None if tensor is None else int(tensor.data_ptr())


def _argument(argument: Argument, tensors: Tensors, item_bytes: Mapping[str, int]) -> Any:
    """cuda.core's convention: a plain int is a pointer, ctypes scalars are passed by value."""
    if isinstance(argument, str):
        return _address(tensors, argument) or 0
    if isinstance(argument, At):
        base = _address(tensors, argument.tensor)
        return 0 if base is None else base + argument.offset * item_bytes[argument.tensor]
    return 0 if argument is None else c_number(argument)
