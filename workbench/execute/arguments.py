"""A plan's arguments as C types: the convention shared by host functions, GPU kernels and emulation."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from workbench.declare import DTYPE_BYTES, I32, Argument, At, Tensor


def c_argument(argument: Argument, address: Callable[[str], int | None], tensors: dict[str, Tensor]) -> Any:
    """A pointer for a tensor's name or an address in it (null for an absent one), int64, int32 or float32."""
    if isinstance(argument, str):
        return ctypes.c_void_p(address(argument))
    if isinstance(argument, At):
        base = address(argument.tensor)
        if base is None:
            return ctypes.c_void_p(None)
        return ctypes.c_void_p(base + argument.offset * DTYPE_BYTES[tensors[argument.tensor].dtype])
    if isinstance(argument, I32):
        return ctypes.c_int32(argument.value)
    if isinstance(argument, int):
        return ctypes.c_int64(argument)
    return ctypes.c_float(argument)
