"""A kernel of a cubin on torch's current GPU: loaded once, its constant memory set, launched by cuda.core."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workbench.arguments import check_constant
from workbench.compile import Binary
from workbench.declare import Argument, At, Struct
from workbench.steps import Launch, Source

STATIC_SHARED_LIMIT = 48 << 10
"""Dynamic shared memory above this needs the kernel's explicit consent (CUDA programming guide, §Shared Memory)."""


def passed(argument: Argument, value: Any) -> Any:
    """An argument that is a C value as cuda.core takes it: a plain int is a pointer, ctypes scalars go by value."""
    return value.value or 0 if argument is None or isinstance(argument, str | At) else value


def launcher(source: Source, binary: Binary, launch: Launch) -> Callable[[Any, Sequence[Any]], None]:
    """A call that launches the kernel on a stream with arguments as `passed` makes them."""
    from cuda.core import LaunchConfig
    from cuda.core import launch as launch_kernel

    kernel = _module(binary.path, source.constants).get_kernel(binary.symbol(source.function))
    added, pointers = binary.launch_needs
    shared = launch.shared_bytes + added
    if shared > STATIC_SHARED_LIMIT:
        _allow_shared(kernel, shared)
    config = LaunchConfig(grid=launch.grid, block=launch.block, shmem_size=shared)
    behind = (0,) * pointers
    if any(isinstance(argument, Struct) for argument in launch.arguments):
        return lambda stream, arguments: _launch_packed(kernel, launch, shared, stream, (*arguments, *behind))
    return lambda stream, arguments: launch_kernel(stream, config, kernel, *arguments, *behind)


def _allow_shared(kernel: Any, shared_bytes: int) -> None:
    """By the driver itself: cuda.core shows a kernel's attributes and sets none."""
    import torch
    from cuda.bindings import driver

    attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    (failed,) = driver.cuKernelSetAttribute(
        attribute, shared_bytes, driver.CUkernel(int(kernel.handle)), driver.CUdevice(torch.cuda.current_device())
    )
    if int(failed):
        raise RuntimeError(f"cuKernelSetAttribute to {shared_bytes:,} bytes of shared memory: {failed.name}")


def _launch_packed(kernel: Any, launch: Launch, shared: int, stream: Any, arguments: Sequence[Any]) -> None:
    """By the driver itself: cuda.core passes no structures by value."""
    from cuda.bindings import driver

    values = [ctypes.c_void_p(one) if isinstance(one, int) else one for one in arguments]
    pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
    function = driver.CUfunction(int(kernel.handle))
    _, handle = stream.__cuda_stream__()
    (failed,) = driver.cuLaunchKernel(
        function, *launch.grid, *launch.block, shared, handle, ctypes.addressof(pointers), 0
    )
    if int(failed):
        raise RuntimeError(f"cuLaunchKernel: {failed.name}")


@functools.cache
def _module(cubin: Path, constants: tuple[tuple[str, bytes], ...]) -> Any:
    """The cubin in the current context, with its variables of constant memory set: those of other contents are other
    modules. Raises Problem for a variable that it lacks or that has another size."""
    from cuda.bindings import driver
    from cuda.core import ObjectCode

    module = ObjectCode.from_cubin(str(cubin))
    for name, content in constants:
        failed, address, size = driver.cuLibraryGetGlobal(driver.CUlibrary(int(module.handle)), name.encode())
        check_constant(name, content, None if int(failed) else size)
        (failed,) = driver.cuMemcpyHtoD(address, content, size)
        if int(failed):
            raise RuntimeError(f"cuMemcpyHtoD to {name}: {failed.name}")
    return module
