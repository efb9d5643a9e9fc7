"""A plan's arguments as C types: the convention shared by host functions on the CPU and under emulation."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from workbench.declare import I32, Argument, At, Turn


def c_argument(argument: Argument, address: Callable[[str], int | None], item_bytes: Callable[[str], int]) -> Any:
    """A pointer for a tensor's name or an address in it (null for an absent one), int64, int32 or float32.

    `address` and `item_bytes` say where a tensor begins and how many bytes one of its elements has.
    """
    if isinstance(argument, str):
        return ctypes.c_void_p(address(argument))
    if isinstance(argument, At):
        base = address(argument.tensor)
        return ctypes.c_void_p(None if base is None else base + argument.offset * item_bytes(argument.tensor))
    if isinstance(argument, I32):
        return ctypes.c_int32(argument.value)
    if isinstance(argument, Turn):
        return ctypes.c_int64(argument.first)
    return ctypes.c_float(argument) if isinstance(argument, float) else ctypes.c_int64(argument)
