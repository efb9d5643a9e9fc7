"""A plan's arguments as C types, wherever its steps run, and what its constants must fit."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

from workbench.declare import F64, I8, I16, I32, U8, U16, U32, U64, Argument, At, Scalar, Struct, Turn
from workbench.problem import Problem

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


@functools.cache
def _layout(types: tuple[Any, ...]) -> Any:
    """A structure of C whose members have these types."""
    fields = [(f"member_{number}", held) for number, held in enumerate(types)]
    return type("Struct", (ctypes.Structure,), {"_fields_": fields})


def c_argument(argument: Argument, address: Callable[[str], int | None], item_bytes: Callable[[str], int]) -> Any:
    """A pointer for a tensor's name or an address in it (null for an absent one or None), or a number.

    `address` and `item_bytes` say where a tensor begins and how many bytes one of its elements has.
    """
    if isinstance(argument, Struct):
        members = [c_argument(member, address, item_bytes) for member in argument.members]
        return _layout(tuple(map(type, members)))(*members)
    if isinstance(argument, str):
        return ctypes.c_void_p(address(argument))
    if isinstance(argument, At):
        base = address(argument.tensor)
        return ctypes.c_void_p(None if base is None else base + argument.offset * item_bytes(argument.tensor))
    return ctypes.c_void_p(None) if argument is None else c_number(argument)


def check_constant(name: str, content: bytes, size: int | None) -> None:
    """Raises Problem where a variable of constant memory that is given contents is not there (`size` is None), or has
    another size."""
    if size is None:
        raise Problem(f"constant {name}: the kernel reads no __constant__ variable of that name")
    if len(content) != size:
        raise Problem(f"constant {name}: the variable has {size} bytes and is given {len(content)}")
