"""What every declaration is made of: tensors, sizes, tolerances, costs, and how a wrong one is put into words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, get_args

from workbench.declare import DTYPE_BYTES, Cost, Role, Tensor, Tolerance

ROLES = get_args(Role)


def check_tensor(tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"holds {short(tensor)}: a tensor is Tensor(name, shape, dtype, role)")
    if not isinstance(tensor.name, str):
        raise TypeError(f"holds a Tensor of the name {short(tensor.name)}: write a text")
    if tensor.role not in ROLES:
        raise ValueError(f"gives {tensor.name} the role {tensor.role!r}: a role is {listed(ROLES)}")
    if tensor.dtype not in DTYPE_BYTES:
        raise ValueError(f"gives {tensor.name} the dtype {tensor.dtype!r}: a dtype is {listed(DTYPE_BYTES)}")
    if not isinstance(tensor.shape, tuple) or not all(type(size) is int and size >= 0 for size in tensor.shape):
        raise TypeError(f"gives {tensor.name} the shape {tensor.shape!r}: write a tuple of whole numbers; // divides")


def check_unique(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"declares two tensors {name}: give each a name of its own")


def is_tuple_of(value: Any, words: Iterable[str]) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(v, str) and v in words for v in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def is_tolerance(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(not isinstance(one, Mapping) and is_tolerance(one) for one in value.values())
    if isinstance(value, Tolerance):
        return _is_number(value.relative) and (
            value.absolute is None or value.absolute == 0 or _is_number(value.absolute)
        )
    return _is_number(value)


def is_sizes(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(is_size(size) for size in value)


def is_size(value: Any) -> bool:
    return type(value) is int and value > 0


def listed(words: Iterable[Any]) -> str:
    return ", ".join(map(str, words))


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__name__}"


def checked_cost(found: Any) -> Cost:
    if not isinstance(found, Cost):
        raise TypeError(f"returned {short(found)}: return Cost(bytes=...)")
    for field in fields(Cost):
        value = getattr(found, field.name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise TypeError(f"has {field.name} = {value!r}: write a whole number from 0; // divides to one")
    return found
