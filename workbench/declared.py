"""A user's declarations, held to what they must be: whatever is wrong with one is a line that names its file.

Functions of a declaration are called through a wrapper. What they raise, and what they return instead of what
they should, becomes a DeclarationError with file, line and the word to change, wherever it happens.
"""

from __future__ import annotations

import functools
import inspect
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import CodeType
from typing import Any, get_args

from workbench.arguments import NUMBERS, c_number
from workbench.declare import (
    DTYPE_BYTES,
    FORWARD,
    At,
    Call,
    Clear,
    Cost,
    Device,
    Host,
    Kernel,
    Operation,
    Pass,
    Plan,
    Requirement,
    Role,
    Scalar,
    Shape,
    Tensor,
    Tolerance,
    Variant,
)
from workbench.foreign import first_words
from workbench.limits import limits_here
from workbench.problem import Problem, slips
from workbench.stdout import kept_clean

PASS_NAME = re.compile("[a-z][a-z0-9_]*")
DEVICES = get_args(Device)
ROLES = get_args(Role)
MOST_THREADS, MOST_THREADS_IN_Z = 1024, 64
MOST_BLOCKS_IN_X, MOST_BLOCKS = 2**31 - 1, 65535
"""Of every NVIDIA GPU that can be compiled for: threads per block, blocks per grid."""


class DeclarationError(Problem):
    """A declaration is not what it must be: the fault of one variant, or of one operation, and of no other."""


# ------------------------------------------------------------------------------------------------- operations


def checked_operation(operation: Operation, file: Path) -> Operation:
    """The operation with its functions wrapped. DeclarationError where one of its fields is none that it can have."""
    at = f"operation {operation.name}" + ("" if operation.pass_ == FORWARD else f", pass {operation.pass_}")
    wrong = _wrong_operation(operation)
    if wrong:
        raise DeclarationError(f"{operation.at}: {at}: {wrong}")

    def tensors(found: Any) -> tuple[Tensor, ...]:
        if not isinstance(found, tuple) or not all(isinstance(t, Tensor) for t in found):
            raise TypeError(f"returned {_short(found)}: return a tuple of Tensor(...)")
        for tensor in found:
            _check_tensor(tensor)
        _check_unique([t.name for t in found])
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
                raise KeyError(f"gives {name}, and tensors() declares no such input: {_listed(declared)}")
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

    checked = replace(
        operation,
        tensors=_wrapped(operation.tensors, "tensors", at, file, lambda found, *_: tensors(found)),
        make_inputs=_wrapped(operation.make_inputs, "make_inputs", at, file, inputs),
        reference=_wrapped(operation.reference, "reference", at, file, reference),
        least=_wrapped(operation.least, "least", at, file, lambda found, *_: _cost(found)),
        passes=tuple(_checked_pass(operation, one, file) for one in operation.passes),
    )
    object.__setattr__(checked, "at", operation.at)
    return checked


def _checked_pass(operation: Operation, one: Pass, file: Path) -> Pass:
    """The pass with its functions wrapped, held to what an operation must be."""
    checked = checked_operation(operation.in_pass(one), file)
    functions = {name: getattr(checked, name) for name in ("tensors", "make_inputs", "reference", "least")}
    return replace(one, **functions)


def _wrong_operation(operation: Operation) -> str:
    """What is wrong with the operation's plain fields; empty where nothing is."""
    for name in ("name", "title", "equation", "baseline"):
        if not isinstance(getattr(operation, name), str):
            return f"{name} is {_short(getattr(operation, name))}: write a text"
    wrong = _wrong_passes(operation.passes)
    if wrong:
        return wrong
    for name in ("tensors", "make_inputs", "reference", "least", "depth"):
        if not callable(getattr(operation, name)):
            return f"{name} is {_short(getattr(operation, name))}: write a function's name, without brackets"
    for name in ("axes", "small"):
        sizes = getattr(operation, name)
        if not isinstance(sizes, dict) or not sizes or not all(_is_size(v) for v in sizes.values()):
            return f'{name} is {sizes!r}: write a dict of sizes, such as {{"N": 1024}}'
    if set(operation.small) != set(operation.axes):
        return f"small has the axes {_listed(operation.small)}, axes has {_listed(operation.axes)}: name the same"
    if not _is_tuple_of(operation.dtypes, DTYPE_BYTES):
        return f"dtypes is {operation.dtypes!r}: write a tuple of {_listed(DTYPE_BYTES)}"
    if not isinstance(operation.regimes, tuple) or not all(isinstance(r, str) for r in operation.regimes or (0,)):
        return f'regimes is {operation.regimes!r}: write a tuple of words, such as ("normal",)'
    if not hasattr(operation.tolerance, "items") or not all(map(_is_tolerance, operation.tolerance.values())):
        forms = '{"float32": 1e-6}, {"float32": Tolerance(1e-6, absolute=1e-30)} or {"float32": {"y": 1e-6}}'
        return f"tolerance is {operation.tolerance!r}: write a dict by dtype, such as {forms}"
    for dtype in operation.dtypes:
        if dtype not in operation.tolerance:
            return f"tolerance has no entry for {dtype}: give one, or leave {dtype} out of dtypes"
    return _wrong_presets(operation)


def _wrong_passes(passes: Any) -> str:
    if not isinstance(passes, tuple) or not all(isinstance(one, Pass) for one in passes):
        return f'passes is {_short(passes)}: write a tuple with a comma behind it, such as (Pass("backward", ...),)'
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
                    return f"presets[{name!r}] has the dtype {size!r}: dtypes has {_listed(operation.dtypes)}"
                if axis != "dtype" and not _is_size(size):
                    return f"presets[{name!r}] has {axis} = {size!r}: write a whole number"
    growth = operation.growth
    if growth and (set(growth) != set(operation.axes) or not all(_is_sizes(sizes) for sizes in growth.values())):
        return f"growth is {growth!r}: write a tuple of sizes for each of {_listed(operation.axes)}"
    return ""


def _arrays(found: Any, tensors: Iterable[Tensor]) -> Any:
    if not hasattr(found, "keys"):
        raise TypeError(f"returned {_short(found)}: return a dict of arrays by tensor name")
    for tensor in tensors:
        if tensor.name not in found:
            raise KeyError(f"gives no {tensor.name}: return it too (it returned {_listed(found) or 'nothing'})")
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


# --------------------------------------------------------------------------------------------------- variants


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
        plan=_wrapped(sees("plan", 2), "plan", at, file, plan),
        cost=_wrapped(sees("cost", 2), "cost", at, file, lambda found, *_: _cost(found)),
        supports=_wrapped(sees("supports", 1), "supports", at, file, lambda found, *_: _reason(found)),
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
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.default is p.empty and p.kind in positional for p in parameters) == count


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
            operation.least(shape)
            operation.tensors(shape)
            if variant.supports(small) is None:
                variant.plan(small, settings)
            if variant.supports(shape) is None:
                variant.cost(shape, settings)
    except DeclarationError as error:
        return str(error)
    return None


def _wrong_field(variant: Variant) -> str:
    """What is wrong with the variant's plain fields; empty where nothing is."""
    if not isinstance(variant.name, str) or not variant.name:
        return f"name is {variant.name!r}: write a word"
    if not _is_tuple_of(variant.devices, DEVICES):
        return f'devices is {variant.devices!r}: write a tuple of "cuda" and "cpu", such as ("cuda",)'
    if not isinstance(variant.idea, str):
        return f"idea is {_short(variant.idea)}: write a text"
    for name in ("plan", "cost", "supports"):
        if not callable(getattr(variant, name)):
            return f"{name} is {_short(getattr(variant, name))}: write a function's name, without brackets"
    if not hasattr(variant.settings, "items"):
        return f'settings is {variant.settings!r}: write a dict, such as {{"block": (128, 256)}}'
    for name, words in (("plan", "(shape, settings)"), ("cost", "(shape, settings)"), ("supports", "(shape)")):
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


# ------------------------------------------------------------------------------------------------------ plans


def _plan(found: Any, names: set[str]) -> Plan:
    """The plan, where it can be carried out over tensors of these names. A plan may have half a million steps that
    differ in their arguments alone: what they share is looked at once."""
    if not isinstance(found, Plan):
        raise TypeError(f"returned {_short(found)}: return Plan((step, ...))")
    if not isinstance(found.steps, tuple):
        raise TypeError(f"gives Plan the steps {_short(found.steps)}: write a tuple, as in Plan((Kernel(...),))")
    if not isinstance(found.scratch, tuple):
        raise TypeError(f"gives Plan the scratch {_short(found.scratch)}: write a tuple, as in scratch=(Tensor(...),)")
    for tensor in found.scratch:
        _check_tensor(tensor)
        if tensor.role != "scratch":
            raise ValueError(
                f"gives {tensor.name} the role {tensor.role!r}: in Plan's scratch write the role 'scratch'"
            )
    known = {*names, *(tensor.name for tensor in found.scratch)}
    _check_unique([*names, *(tensor.name for tensor in found.scratch)])
    used: set[str] = set()
    kinds: set[type] = set()
    numbers: set[Any] = set()
    launches: dict[Any, Kernel | Host] = {}
    for step in found.steps:
        kind = type(step)
        if kind is Kernel or kind is Host:
            assert isinstance(step, Kernel | Host)
            if type(step.arguments) is not tuple:
                raise TypeError(f"gives {step.function} the arguments {_short(step.arguments)}: write a tuple")
            for argument in step.arguments:
                held = type(argument)
                if held is str:
                    used.add(argument)  # type: ignore[arg-type]
                elif held is At:
                    used.add(argument.tensor)  # type: ignore[union-attr]
                else:
                    kinds.add(held)
                    if held in NUMBERS and argument not in numbers:
                        numbers.add(argument)
                        _check_number(argument)
            launches.setdefault(_shared_by_many(step), step)
        elif kind is Call:
            _check_call(step)  # type: ignore[arg-type]
            used.update(step.inputs, step.outputs)  # type: ignore[union-attr]
        elif kind is Clear:
            used.add(step.tensor)  # type: ignore[union-attr]
        else:
            raise TypeError(f"has the step {_short(step)}: a step is a Kernel, Host, Call or Clear")
    for launch in launches.values():
        _check_launch(launch)
    for held in kinds - NUMBERS.keys() - {type(None)}:
        raise TypeError(f"passes an argument of type {held.__name__}: an argument is {ARGUMENTS}")
    for name in sorted(used - known):
        raise KeyError(f"names no tensor {name}: declare Tensor('{name}', ..., 'scratch') in Plan's scratch")
    return found


ARGUMENTS = (
    "a tensor's name, At(name, offset), int (64 bits), float (32 bits), bool, None, "
    "or I32(int), F64(float) and the like"
)


def _check_number(argument: Any) -> None:
    """The number fits its C type: ctypes would cut it off."""
    value = argument.value if isinstance(argument, Scalar) else argument
    kind = type(argument).__name__
    wanted = (int, float) if kind in ("F64", "float") else (int,)
    if not isinstance(value, wanted):
        raise TypeError(f"passes {kind}({value!r}): write a number of that type")
    if int in wanted and float not in wanted and c_number(argument).value != value:
        raise ValueError(f"passes {kind}({value}), which that type cannot hold: take a wider one")


def _shared_by_many(step: Kernel | Host) -> Any:
    """What tells a step from others, its arguments aside; the step itself where a user wrote what has no hash."""
    if isinstance(step, Host):
        return step.function
    key = (step.function, step.grid, step.block, step.shared_bytes)
    try:
        hash(key)
    except TypeError:
        return id(step)
    return key


def _check_call(step: Call) -> None:
    if not callable(step.function):
        raise TypeError(f"gives Call the function {_short(step.function)}: write a function's name, without brackets")
    for field in ("inputs", "outputs"):
        value = getattr(step, field)
        if type(value) is not tuple or not all(isinstance(name, str) for name in value):
            raise TypeError(f'gives Call the {field} {_short(value)}: write a tuple of names, such as ("x",)')


def _check_launch(step: Kernel | Host) -> None:
    if not isinstance(step.source, Path):
        raise TypeError(f'has the source {_short(step.source)}: write a path, as in Path(__file__).parent / "name.cu"')
    if not isinstance(step.function, str):
        raise TypeError(f"has the function {_short(step.function)}: write its name as a text")
    defines = step.defines
    if not isinstance(defines, tuple) or not all(isinstance(d, tuple) and len(d) == 2 for d in defines):
        raise TypeError(f'gives {step.function} the defines {_short(defines)}: write pairs, such as (("TILE", 64),)')
    if not step.source.is_file():
        raise FileNotFoundError(_no_source(step.source))
    if not isinstance(step, Kernel):
        return
    for field in ("grid", "block"):
        value = getattr(step, field)
        if not _is_triple(value):
            raise TypeError(
                f"gives {step.function} the {field} {value!r}: write three whole numbers, as in (blocks, 1, 1); "
                "// divides to whole numbers"
            )
    x, y, z = step.block
    if x * y * z > MOST_THREADS or z > MOST_THREADS_IN_Z:
        most = f"at most {MOST_THREADS}, and {MOST_THREADS_IN_Z} in z"
        raise ValueError(f"gives {step.function} a block of {x} x {y} x {z} threads: {most}")
    x, y, z = step.grid
    if x > MOST_BLOCKS_IN_X or max(y, z) > MOST_BLOCKS:
        most = f"at most {MOST_BLOCKS:,} in y and z, {MOST_BLOCKS_IN_X:,} in x"
        raise ValueError(f"gives {step.function} a grid of {x:,} x {y:,} x {z:,} blocks: {most}")
    if type(step.shared_bytes) is not int or step.shared_bytes < 0:
        raise TypeError(f"gives {step.function} shared_bytes = {step.shared_bytes!r}: write a whole number from 0")


def _no_source(source: Path) -> str:
    """A source that is not there, and the one in its folder that is nearly called so."""
    beside = [p.name for p in source.parent.glob(f"*{source.suffix}")] if source.parent.is_dir() else []
    near = min(beside, key=lambda name: slips(source.name, name), default="")
    hint = f": did you mean {near}?" if near and slips(source.name, near) <= 3 else ""
    return f"names {source}: no such source{hint}"


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
    if not isinstance(tensor.name, str):
        raise TypeError(f"holds a Tensor of the name {_short(tensor.name)}: write a text")
    if tensor.role not in ROLES:
        raise ValueError(f"gives {tensor.name} the role {tensor.role!r}: a role is {_listed(ROLES)}")
    if tensor.dtype not in DTYPE_BYTES:
        raise ValueError(f"gives {tensor.name} the dtype {tensor.dtype!r}: a dtype is {_listed(DTYPE_BYTES)}")
    if not isinstance(tensor.shape, tuple) or not all(type(size) is int and size >= 0 for size in tensor.shape):
        raise TypeError(f"gives {tensor.name} the shape {tensor.shape!r}: write a tuple of whole numbers; // divides")


def _check_unique(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"declares two tensors {name}: give each a name of its own")


def _is_tuple_of(value: Any, words: Iterable[str]) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(v, str) and v in words for v in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_tolerance(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(not isinstance(one, Mapping) and _is_tolerance(one) for one in value.values())
    if isinstance(value, Tolerance):
        return _is_number(value.relative) and (
            value.absolute is None or value.absolute == 0 or _is_number(value.absolute)
        )
    return _is_number(value)


def _is_sizes(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(_is_size(size) for size in value)


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
            raise DeclarationError(f"{place_of(function) or file}: {at}: {name}() {_words(error)}") from error

    return call


def _raised(function: Any, name: str, at: str, file: Path, error: Exception) -> str:
    """Where in the user's own files it was raised: the innermost line of those, else the function's first."""
    folder = str(file.parent)
    own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(folder)]
    place = f"{own[-1].filename}:{own[-1].lineno}" if own else place_of(function) or str(file)
    return f"{place}: {at}: {name}() raised {type(error).__name__}: {_words(error)}"


def place_of(function: Any) -> str:
    """FILE:LINE where a function begins; empty where it is none of Python's own (a partial, a class)."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if isinstance(code, CodeType) else ""


def _words(error: Exception) -> str:
    """The error's text; KeyError shows its own with quotation marks."""
    if isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str):
        return " ".join(error.args[0].split())
    return first_words(error)
