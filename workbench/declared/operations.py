"""Operations and their passes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.declare import DTYPE_BYTES, FORWARD, Operation, Pass, Shape, Tensor
from workbench.declared.calls import DeclarationError, wrapped
from workbench.declared.values import (
    check_tensor,
    check_unique,
    checked_cost,
    is_size,
    is_sizes,
    is_tolerance,
    is_tuple_of,
    listed,
    short,
)

PASS_NAME = re.compile("[a-z][a-z0-9_]*")


def checked_operation(operation: Operation, file: Path) -> Operation:
    """The operation with its functions wrapped. DeclarationError where one of its fields is none that it can have."""
    at = f"operation {operation.name}" + ("" if operation.pass_ == FORWARD else f", pass {operation.pass_}")
    wrong = _wrong_operation(operation)
    if wrong:
        raise DeclarationError(f"{operation.at}: {at}: {wrong}")

    def tensors(found: Any) -> tuple[Tensor, ...]:
        if not isinstance(found, tuple) or not all(isinstance(t, Tensor) for t in found):
            raise TypeError(f"returned {short(found)}: return a tuple of Tensor(...)")
        for tensor in found:
            check_tensor(tensor)
        check_unique([t.name for t in found])
        if not any(t.compared for t in found):
            raise ValueError('declares no output: give a Tensor the role "output"')
        for dtype, allowed in operation.tolerance.items():
            lacking = [t.name for t in found if t.compared and isinstance(allowed, Mapping) and t.name not in allowed]
            if lacking:
                raise ValueError(f"declares {lacking[0]}, and tolerance[{dtype!r}] has no entry for it: give one")
        return found

    def inputs(found: Any, shape: Shape, *_: Any) -> Any:
        declared = {t.name: t for t in operation.tensors(shape) if t.given}
        _arrays(found, [t for t in declared.values() if not t.optional])
        for name, value in found.items():
            if name not in declared:
                raise KeyError(f"gives {name}, and tensors() declares no such input: {listed(declared)}")
            _check_shape(value, declared[name])
            _check_integers(value, declared[name])
        return found

    def reference(found: Any, shape: Shape, *_: Any) -> Any:
        import numpy as np

        outputs = [t for t in operation.tensors(shape) if t.compared]
        _arrays(found, outputs)
        for tensor in outputs:
            array = np.asarray(found[tensor.name])
            if array.shape != tensor.shape:
                raise ValueError(f"gives {tensor.name} of shape {array.shape}, tensors() declares {tensor.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"gives {tensor.name} with NaN or infinity: what is right must be a number")
        return found

    def depth(found: Any, *_: Any) -> int:
        if not is_size(found):
            raise TypeError(f"returned {short(found)}: return the steps of the longest chain, a whole number from 1")
        return int(found)

    checked = replace(
        operation,
        tensors=wrapped(operation.tensors, "tensors", at, file, lambda found, *_: tensors(found)),
        make_inputs=wrapped(operation.make_inputs, "make_inputs", at, file, inputs),
        reference=wrapped(operation.reference, "reference", at, file, reference),
        least=wrapped(operation.least, "least", at, file, lambda found, *_: checked_cost(found)),
        depth=wrapped(operation.depth, "depth", at, file, depth),
        passes=tuple(_checked_pass(operation, one, file) for one in operation.passes),
    )
    object.__setattr__(checked, "at", operation.at)
    return checked


def _checked_pass(operation: Operation, one: Pass, file: Path) -> Pass:
    """The pass with its functions wrapped, held to what an operation must be."""
    checked = checked_operation(operation.in_pass(one), file)
    functions = {name: getattr(checked, name) for name in ("tensors", "make_inputs", "reference", "least", "depth")}
    return replace(one, **functions)


def _wrong_operation(operation: Operation) -> str:
    """What is wrong with the operation's plain fields; empty where nothing is."""
    for name in ("name", "title", "equation", "baseline"):
        if not isinstance(getattr(operation, name), str):
            return f"{name} is {short(getattr(operation, name))}: write a text"
    wrong = _wrong_passes(operation.passes)
    if wrong:
        return wrong
    for name in ("tensors", "make_inputs", "reference", "least", "depth"):
        if not callable(getattr(operation, name)):
            return f"{name} is {short(getattr(operation, name))}: write a function's name, without brackets"
    for name in ("axes", "small"):
        sizes = getattr(operation, name)
        if not isinstance(sizes, dict) or not sizes or not all(is_size(v) for v in sizes.values()):
            return f'{name} is {sizes!r}: write a dict of sizes, such as {{"N": 1024}}'
    if set(operation.small) != set(operation.axes):
        return f"small has the axes {listed(operation.small)}, axes has {listed(operation.axes)}: name the same"
    if not is_tuple_of(operation.dtypes, DTYPE_BYTES):
        return f"dtypes is {operation.dtypes!r}: write a tuple of {listed(DTYPE_BYTES)}"
    if not isinstance(operation.regimes, tuple) or not all(isinstance(r, str) for r in operation.regimes or (0,)):
        return f'regimes is {operation.regimes!r}: write a tuple of words, such as ("normal",)'
    if not hasattr(operation.tolerance, "items") or not all(map(is_tolerance, operation.tolerance.values())):
        forms = '{"float32": 1e-6}, {"float32": Tolerance(1e-6, absolute=1e-30)} or {"float32": {"y": 1e-6}}'
        return f"tolerance is {operation.tolerance!r}: write a dict by dtype, such as {forms}"
    for dtype in operation.dtypes:
        if dtype not in operation.tolerance:
            return f"tolerance has no entry for {dtype}: give one, or leave {dtype} out of dtypes"
    return _wrong_presets(operation)


def _wrong_passes(passes: Any) -> str:
    if not isinstance(passes, tuple) or not all(isinstance(one, Pass) for one in passes):
        return f'passes is {short(passes)}: write a tuple with a comma behind it, such as (Pass("backward", ...),)'
    names = [FORWARD]
    for one in passes:
        if not isinstance(one.name, str) or not PASS_NAME.fullmatch(one.name):
            return f"passes holds the name {one.name!r}: write a word in a-z, 0-9 and _, such as 'backward'"
        if one.name in names:
            what = "forward is the operation itself" if one.name == FORWARD else "give each a name of its own"
            return f"passes declares {one.name} {'again' if one.name == FORWARD else 'twice'}: {what}"
        names.append(one.name)
    return ""


def _wrong_presets(operation: Operation) -> str:
    if not hasattr(operation.presets, "items"):
        return f'presets is {operation.presets!r}: write a dict, such as {{"quick": ({{"N": 4096}},)}}'
    for name, shapes in operation.presets.items():
        if not isinstance(shapes, tuple) or not all(hasattr(shape, "items") for shape in shapes):
            return f'presets[{name!r}] is {shapes!r}: write a tuple of dicts, such as ({{"N": 4096}},)'
        for shape in shapes:
            for axis, size in shape.items():
                if axis == "dtype" and size not in operation.dtypes:
                    return f"presets[{name!r}] has the dtype {size!r}: dtypes has {listed(operation.dtypes)}"
                if axis != "dtype" and not is_size(size):
                    return f"presets[{name!r}] has {axis} = {size!r}: write a whole number"
    growth = operation.growth
    if growth and (set(growth) != set(operation.axes) or not all(is_sizes(sizes) for sizes in growth.values())):
        return f"growth is {growth!r}: write a tuple of sizes for each of {listed(operation.axes)}"
    return ""


def _arrays(found: Any, tensors: Iterable[Tensor]) -> Any:
    if not hasattr(found, "keys"):
        raise TypeError(f"returned {short(found)}: return a dict of arrays by tensor name")
    for tensor in tensors:
        if tensor.name not in found:
            raise KeyError(f"gives no {tensor.name}: return it too (it returned {listed(found) or 'nothing'})")
    return found


def _check_shape(value: Any, tensor: Tensor) -> None:
    """As many numbers as the tensor has: they are laid into its shape."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"gives {tensor.name} of dtype {array.dtype}: give an array of numbers")
    if array.size != tensor.elements:
        raise ValueError(f"gives {tensor.name} of shape {array.shape}, tensors() declares {tensor.shape}")


def _check_integers(value: Any, tensor: Tensor) -> None:
    import numpy as np

    if "int" in tensor.dtype and np.asarray(value).dtype.kind not in "iub":
        raise TypeError(
            f"gives {tensor.name} of dtype {np.asarray(value).dtype}, declared {tensor.dtype}: give integers"
        )
