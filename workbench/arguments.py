"""A plan's arguments as C types: the convention shared by host functions on the CPU and kernels in the simulator."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from workbench.declare import F64, I8, I16, I32, U8, U16, U32, U64, Argument, At, Scalar, Turn

NUMBERS: dict[type, tuple[str, Any]] = {
    bool: ("u8", ctypes.c_bool),
    int: ("i64", ctypes.c_int64),
    float: ("f32", ctypes.c_float),
    Turn: ("i64", ctypes.c_int64),
    I8: ("i8", ctypes.c_int8),
    U8: ("u8", ctypes.c_uint8),
    I16: ("i16", ctypes.c_int16),
    U16: ("u16", ctypes.c_uint16),
    I32: ("i32", ctypes.c_int32),
    U32: ("u32", ctypes.c_uint32),
    U64: ("u64", ctypes.c_uint64),
    F64: ("f64", ctypes.c_double),
}
"""Type of an argument by value → its word in a kernel's signature, and the C type."""


def c_number(argument: Scalar | Turn | int | float | bool) -> Any:
    """A number as the C type that its argument stands for; a Turn's is that of turn 0."""
    value = argument.first if isinstance(argument, Turn) else getattr(argument, "value", argument)
    return NUMBERS[type(argument)][1](value)


def c_argument(argument: Argument, address: Callable[[str], int | None], item_bytes: Callable[[str], int]) -> Any:
    """A pointer for a tensor's name or an address in it (null for an absent one or None), or a number.

    `address` and `item_bytes` say where a tensor begins and how many bytes one of its elements has.
    """
    if isinstance(argument, str):
        return ctypes.c_void_p(address(argument))
    if isinstance(argument, At):
        base = address(argument.tensor)
        return ctypes.c_void_p(None if base is None else base + argument.offset * item_bytes(argument.tensor))
    return ctypes.c_void_p(None) if argument is None else c_number(argument)
