"""A user's declarations, held to what they must be: whatever is wrong with one is a line that names its file.

Functions of a declaration are called through a wrapper. What they raise, and what they return instead of what
they should, becomes a DeclarationError with file, line and the word to change, wherever it happens.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from types import CodeType
from typing import Any, get_args

from workbench.declare import (
    DTYPE_BYTES,
    At,
    Call,
    Clear,
    Cost,
    Device,
    Host,
    Kernel,
    Operation,
    Plan,
    Role,
    Shape,
    Tensor,
    Variant,
)
from workbench.foreign import first_words
from workbench.problem import Problem

DEVICES = get_args(Device)
ROLES = get_args(Role)
STEPS = (Kernel, Host, Call, Clear)


class DeclarationError(Problem):
    """A declaration is not what it must be: the fault of one variant, or of one operation, and of no other."""


# ------------------------------------------------------------------------------------------------- operations


def checked_operation(operation: Operation, file: Path) -> Operation:
    """The operation with its functions wrapped. DeclarationError where one of its fields is none that it can have."""
    who = f"{file}: operation {operation.name}"

    def wrong(text: str) -> DeclarationError:
        return DeclarationError(f"{who}: {text}")

    for name in ("axes", "small"):
        sizes = getattr(operation, name)
        if not isinstance(sizes, dict) or not all(_is_size(v) for v in sizes.values()):
            raise wrong(f'{name} is {sizes!r}: write a dict of sizes, such as {{"N": 1024}}')
    if set(operation.small) != set(operation.axes):
        raise wrong(f"small has the axes {_listed(operation.small)}, axes has {_listed(operation.axes)}: name the same")
    if not isinstance(operation.dtypes, tuple) or not set(operation.dtypes) <= set(DTYPE_BYTES):
        raise wrong(f"dtypes is {operation.dtypes!r}: write a tuple of {_listed(DTYPE_BYTES)}")
    if not isinstance(operation.regimes, tuple) or not operation.regimes:
        raise wrong(f'regimes is {operation.regimes!r}: write a tuple of words, such as ("normal",)')
    lacking = [dtype for dtype in operation.dtypes if dtype not in operation.tolerance]
    if lacking:
        raise wrong(f"tolerance has no entry for {lacking[0]}: give one, or leave {lacking[0]} out of dtypes")

    def tensors(found: Any) -> tuple[Tensor, ...]:
        if not isinstance(found, tuple) or not all(isinstance(t, Tensor) for t in found):
            raise TypeError(f"returned {_short(found)}: return a tuple of Tensor(...)")
        for tensor in found:
            _check_tensor(tensor)
        if not any(t.role == "output" for t in found):
            raise ValueError('declares no output: give a Tensor the role "output"')
        return found

    def inputs(found: Any, shape: Shape, *_: Any) -> Any:
        return _arrays(found, [t for t in operation.tensors(shape) if t.role == "input" and not t.optional])

    def reference(found: Any, shape: Shape, *_: Any) -> Any:
        import numpy as np

        outputs = [t for t in operation.tensors(shape) if t.role == "output"]
        for tensor in outputs:
            array = np.asarray(_arrays(found, outputs)[tensor.name])
            if array.shape != tensor.shape:
                raise ValueError(f"gives {tensor.name} of shape {array.shape}, tensors() declares {tensor.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"gives {tensor.name} with NaN or infinity: what is right must be a number")
        return found

    at = f"operation {operation.name}"
    return replace(
        operation,
        tensors=_wrapped(operation.tensors, "tensors", at, file, lambda found, *_: tensors(found)),
        make_inputs=_wrapped(operation.make_inputs, "make_inputs", at, file, inputs),
        reference=_wrapped(operation.reference, "reference", at, file, reference),
        least=_wrapped(operation.least, "least", at, file, lambda found, *_: _cost(found)),
    )


def _arrays(found: Any, tensors: Iterable[Tensor]) -> Any:
    if not hasattr(found, "keys"):
        raise TypeError(f"returned {_short(found)}: return a dict of arrays by tensor name")
    for tensor in tensors:
        if tensor.name not in found:
            raise KeyError(f"gives no {tensor.name}: return it too (it returned {_listed(found) or 'nothing'})")
    return found


# --------------------------------------------------------------------------------------------------- variants


def checked_variant(variant: Variant, operation: Operation, file: Path) -> Variant:
    """The variant with its functions wrapped. One whose fields are none that it can have keeps its name alone, and
    its plan raises what is wrong: it costs its own records, and the others go on."""
    at = f"variant {variant.name}"
    wrong = _wrong_field(variant)
    if wrong:
        return _never_planned(variant, DeclarationError(f"{file}: {at}: {wrong}"))

    def plan(found: Any, shape: Shape, *_: Any) -> Plan:
        return _plan(found, {t.name for t in operation.tensors(shape)})

    return replace(
        variant,
        plan=_wrapped(variant.plan, "plan", at, file, plan),
        cost=_wrapped(variant.cost, "cost", at, file, lambda found, *_: _cost(found)),
        supports=_wrapped(variant.supports, "supports", at, file, lambda found, *_: _reason(found)),
    )


def _never_planned(variant: Variant, error: DeclarationError) -> Variant:
    def refuse(*_: Any) -> Any:
        raise error

    return Variant(str(variant.name), variant.operation, ("cuda",), "", refuse, refuse)


def _wrong_field(variant: Variant) -> str:
    """What is wrong with the variant's plain fields; empty where nothing is."""
    if not isinstance(variant.name, str) or not variant.name:
        return f"name is {variant.name!r}: write a word"
    if not isinstance(variant.devices, tuple) or not variant.devices or not set(variant.devices) <= set(DEVICES):
        return f'devices is {variant.devices!r}: write a tuple of "cuda" and "cpu", such as ("cuda",)'
    if not hasattr(variant.settings, "items"):
        return f'settings is {variant.settings!r}: write a dict, such as {{"block": (128, 256)}}'
    for name, values in variant.settings.items():
        if not isinstance(values, tuple) or not values or not all(type(v) in (int, str) for v in values):
            return f"settings[{name!r}] is {values!r}: write a tuple of whole numbers or words, such as (128,)"
    if not hasattr(variant.factors, "items"):
        return f'factors is {variant.factors!r}: write a dict of words, such as {{"algorithm": "serial"}}'
    return ""


def _plan(found: Any, names: set[str]) -> Plan:
    if not isinstance(found, Plan):
        raise TypeError(f"returned {_short(found)}: return Plan((step, ...))")
    if not isinstance(found.steps, tuple):
        raise TypeError(f"gives Plan the steps {_short(found.steps)}: write a tuple, as in Plan((Kernel(...),))")
    if not isinstance(found.scratch, tuple):
        raise TypeError(f"gives Plan the scratch {_short(found.scratch)}: write a tuple, as in scratch=(Tensor(...),)")
    for tensor in found.scratch:
        _check_tensor(tensor)
    known = names | {tensor.name for tensor in found.scratch}
    for step in found.steps:
        if isinstance(step, Kernel):
            if not _is_triple(step.grid) or not _is_triple(step.block):
                field = "grid" if not _is_triple(step.grid) else "block"
                raise TypeError(
                    f"gives {step.function} the {field} {getattr(step, field)!r}: write three whole numbers, as in "
                    "(blocks, 1, 1); // divides to whole numbers"
                )
            used: Iterable[Any] = step.arguments
        elif isinstance(step, Host):
            used = step.arguments
        elif isinstance(step, Call):
            used = (*step.inputs, *step.outputs)
        elif isinstance(step, Clear):
            used = (step.tensor,)
        else:
            raise TypeError(f"has the step {_short(step)}: a step is a Kernel, Host, Call or Clear")
        for argument in used:
            name = argument.tensor if isinstance(argument, At) else argument
            if isinstance(name, str) and name not in known:
                raise KeyError(f"names no tensor {name}: declare Tensor('{name}', ..., 'scratch') in Plan's scratch")
    return found


def _cost(found: Any) -> Cost:
    if not isinstance(found, Cost):
        raise TypeError(f"returned {_short(found)}: return Cost(bytes=...)")
    for field in fields(Cost):
        value = getattr(found, field.name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise TypeError(f"has {field.name} = {value!r}: write a whole number from 0; // divides to one")
    return found


def _reason(found: Any) -> str | None:
    if found is None or (isinstance(found, str) and found):
        return found
    raise TypeError(f"returned {found!r}: return None where the shape can be done, else the reason as a text")


# ----------------------------------------------------------------------------------------------------- pieces


def _check_tensor(tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"holds {_short(tensor)}: a tensor is Tensor(name, shape, dtype, role)")
    if tensor.role not in ROLES:
        raise ValueError(f"gives {tensor.name} the role {tensor.role!r}: a role is {_listed(ROLES)}")
    if tensor.dtype not in DTYPE_BYTES:
        raise ValueError(f"gives {tensor.name} the dtype {tensor.dtype!r}: a dtype is {_listed(DTYPE_BYTES)}")
    if not isinstance(tensor.shape, tuple) or not all(type(size) is int and size >= 0 for size in tensor.shape):
        raise TypeError(f"gives {tensor.name} the shape {tensor.shape!r}: write a tuple of whole numbers; // divides")


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_triple(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 3 and all(type(v) is int and v > 0 for v in value)


def _listed(words: Iterable[Any]) -> str:
    return ", ".join(map(str, words))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__name__}"


def _wrapped(
    function: Callable[..., Any], name: str, at: str, file: Path, checked: Callable[..., Any]
) -> Callable[..., Any]:
    """The function, whose result goes through `checked(result, *arguments)`; what either raises names the place."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            found = function(*arguments)
        except Problem:
            raise
        except Exception as error:
            raise DeclarationError(_raised(function, name, at, file, error)) from error
        try:
            return checked(found, *arguments)
        except Problem:
            raise
        except Exception as error:
            raise DeclarationError(f"{_place(function, file)}: {at}: {name}() {_words(error)}") from error

    return call


def _raised(function: Any, name: str, at: str, file: Path, error: Exception) -> str:
    """Where in the user's own files it was raised: the innermost line of those, else the function's first."""
    folder = str(file.parent)
    own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(folder)]
    place = f"{own[-1].filename}:{own[-1].lineno}" if own else _place(function, file)
    return f"{place}: {at}: {name}() raised {type(error).__name__}: {_words(error)}"


def _place(function: Any, file: Path) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if isinstance(code, CodeType) else str(file)


def _words(error: Exception) -> str:
    """The error's text; KeyError shows its own with quotation marks."""
    if isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str):
        return " ".join(error.args[0].split())
    return first_words(error)
