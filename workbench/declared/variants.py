"""Variants and their plans."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from workbench.declare import Device, Operation, Plan, Requirement, Shape, Variant
from workbench.declared.calls import DeclarationError, wrapped
from workbench.declared.values import check_tensor, check_unique, checked_cost, is_tuple_of, short
from workbench.limits import limits_here
from workbench.stdout import kept_clean
from workbench.steps import Kind, kind_of

DEVICES = get_args(Device)


def checked_variant(variant: Variant, operation: Operation, file: Path) -> Variant:
    """The variant with its functions wrapped. One whose fields are none that it can have keeps its name alone, and
    its plan raises what is wrong: it costs its own records, and the others go on."""
    at = f"variant {variant.name}"
    wrong = _wrong_field(variant)
    if wrong:
        return _never_planned(variant, DeclarationError(f"{variant.at}: {at}: {wrong}"))

    def plan(found: Any, shape: Shape, *_: Any) -> Plan:
        return _plan(found, {t.name for t in operation.tensors(shape)})

    cuda = "cuda" in variant.devices

    def sees(name: str, usual: int) -> Callable[..., Any]:
        return _sees_limits(getattr(variant, name), usual, cuda)

    checked = replace(
        variant,
        plan=wrapped(sees("plan", 2), "plan", at, file, plan),
        cost=wrapped(sees("cost", 2), "cost", at, file, lambda found, *_: checked_cost(found)),
        refuses=wrapped(sees("refuses", 2), "refuses", at, file, lambda found, *_: _reason(found)),
        supports=wrapped(sees("supports", 1), "supports", at, file, lambda found, *_: _reason(found)),
    )
    object.__setattr__(checked, "at", variant.at)
    return checked


def _sees_limits(function: Callable[..., Any], usual: int, cuda: bool) -> Callable[..., Any]:
    """The function with the device's limits behind its usual arguments, where it takes them: those that the caller
    names, else those of the device here. A function without them is called without."""
    if not _takes(function, usual + 1):
        return functools.wraps(function)(lambda *arguments: function(*arguments[:usual]))

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return function(*(arguments if len(arguments) > usual else (*arguments, limits_here(cuda))))

    return call


def _is_open(function: Callable[..., Any], usual: int) -> bool:
    """Whether it can be called with its usual arguments although it names others (defaults, *arguments)."""
    try:
        inspect.signature(function).bind(*range(usual))
    except TypeError:
        return False
    except ValueError:  # one of C's has no signature
        return True
    return True


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether it must be, or can be, called with so many arguments by position: a default does not ask for limits."""
    try:
        return _arguments(function) == count
    except TypeError:  # a callable of somebody's own that has no hash
        return _arguments.__wrapped__(function) == count


@functools.cache
def _arguments(function: Callable[..., Any]) -> int | None:
    """How many arguments it must be called with by position; None where that cannot be told."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.default is p.empty and p.kind in positional for p in parameters)


def _never_planned(variant: Variant, error: DeclarationError) -> Variant:
    def refuse(*_: Any) -> Any:
        raise error

    broken = Variant(str(variant.name), variant.operation, ("cuda",), "", refuse, refuse, pass_=variant.pass_)
    object.__setattr__(broken, "at", variant.at)
    return broken


def fault_of(variant: Variant, operation: Operation, shape: Shape) -> str | None:
    """What is wrong with the declarations, as far as they can be looked at without running anything: None where
    nothing is. Plans are made at the operation's small sizes: at large ones some take seconds."""
    small = Shape(tuple((axis, operation.small[axis]) for axis in operation.axes), shape.dtype)
    settings = variant.default_settings()
    try:
        with kept_clean():
            _look_at(operation.least, operation.tensors, operation.depth, shape)
            if variant.supports(small) is None:
                variant.plan(small, settings)
            if variant.supports(shape) is None:
                variant.cost(shape, settings)
                if (reason := variant.refuses(shape, settings)) is not None:
                    raise DeclarationError(f"{variant.at}: variant {variant.name}: refuses its own defaults: {reason}")
    except DeclarationError as error:
        return str(error)
    return None


@functools.lru_cache(maxsize=1024)
def _look_at(*functions_and_shape: Any) -> None:
    """Calls an operation's functions with a shape, once for all of its variants; raises what they do, each time."""
    *functions, shape = functions_and_shape
    for function in functions:
        function(shape)


def _wrong_field(variant: Variant) -> str:
    """What is wrong with the variant's plain fields; empty where nothing is."""
    if not isinstance(variant.name, str) or not variant.name:
        return f"name is {variant.name!r}: write a word"
    if not is_tuple_of(variant.devices, DEVICES):
        return f'devices is {variant.devices!r}: write a tuple of "cuda" and "cpu", such as ("cuda",)'
    if not isinstance(variant.idea, str):
        return f"idea is {short(variant.idea)}: write a text"
    for name in ("plan", "cost", "supports", "refuses"):
        if not callable(getattr(variant, name)):
            return f"{name} is {short(getattr(variant, name))}: write a function's name, without brackets"
    if not hasattr(variant.settings, "items"):
        return f'settings is {variant.settings!r}: write a dict, such as {{"block": (128, 256)}}'
    both = "(shape, settings)"
    for name, words in (("plan", both), ("cost", both), ("refuses", both), ("supports", "(shape)")):
        usual = words.count(",") + 1
        function = getattr(variant, name)
        if not (_takes(function, usual) or _takes(function, usual + 1) or _is_open(function, usual)):
            more = words.replace(")", ", limits)")
            return f"{name} takes other arguments: define it as {name}{words}, or {name}{more} to see the device"
    for name, values in variant.settings.items():
        if not isinstance(values, tuple) or not values or not all(type(v) in (int, str) for v in values):
            return f"settings[{name!r}] is {values!r}: write a tuple of whole numbers or words, such as (128,)"
    if not hasattr(variant.factors, "items") or not all(isinstance(v, str) for v in variant.factors.values()):
        return f'factors is {variant.factors!r}: write a dict of words, such as {{"algorithm": "serial"}}'
    if not isinstance(variant.requires, tuple) or not all(isinstance(r, Requirement) for r in variant.requires):
        return (
            f'requires is {variant.requires!r}: write a tuple, such as (Requirement("triton", "pip install triton"),)'
        )
    if type(variant.rung) is not int:
        return f"rung is {variant.rung!r}: write a whole number"
    return ""


def _plan(found: Any, names: set[str]) -> Plan:
    """The plan, where it can be carried out over tensors of these names. A plan may have half a million steps that
    differ in their arguments alone: what they share is looked at once."""
    if not isinstance(found, Plan):
        raise TypeError(f"returned {short(found)}: return Plan((step, ...))")
    if not isinstance(found.steps, tuple):
        raise TypeError(f"gives Plan the steps {short(found.steps)}: write a tuple, as in Plan((Kernel(...),))")
    if not isinstance(found.scratch, tuple):
        raise TypeError(f"gives Plan the scratch {short(found.scratch)}: write a tuple, as in scratch=(Tensor(...),)")
    for tensor in found.scratch:
        check_tensor(tensor)
        if tensor.role != "scratch":
            raise ValueError(
                f"gives {tensor.name} the role {tensor.role!r}: in Plan's scratch write the role 'scratch'"
            )
    known = {*names, *(tensor.name for tensor in found.scratch)}
    check_unique([*names, *(tensor.name for tensor in found.scratch)])
    used: set[str] = set()
    unlike: dict[Any, tuple[Kind[Any], Any]] = {}
    for step in found.steps:
        kind = kind_of(step)
        used.update(kind.names(step))
        unlike.setdefault((type(step), kind.alike(step)), (kind, step))
    for kind, step in unlike.values():
        kind.check(step)
    for name in sorted(used - known):
        raise KeyError(f"names no tensor {name}: declare Tensor('{name}', ..., 'scratch') in Plan's scratch")
    return found


def _reason(found: Any) -> str | None:
    if found is None or (isinstance(found, str) and found):
        return found
    raise TypeError(f"returned {found!r}: return None where the shape can be done, else the reason as a text")
