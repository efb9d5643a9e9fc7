"""A digest of all that a variant is made from: known again after a rename, and different after an edit.

It covers, for the operation's small shape (its usual one where that is not supported) and the default settings, every
step of the plan: the text of each source with all headers of this project that it includes, functions, defines, grids,
blocks and arguments, and the Python text of functions that steps call. A comment counts; the toolkit, the compiler and
what a called function calls do not.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from workbench.catalog import Catalog
from workbench.compile.headers import SourceReader
from workbench.compile.units import HOST, Unit
from workbench.declare import Operation, Shape, Variant
from workbench.declared import DeclarationError
from workbench.stdout import kept_clean


def digests(catalog: Catalog, variants: Iterable[Variant] | None = None) -> dict[str, str]:
    """A variant's key → the digest of its sources, of all or of these; those that have none are absent."""
    reader = SourceReader()
    wanted = catalog if variants is None else variants
    found = {variant.key: digest(variant, catalog.operation_of(variant), reader) for variant in wanted}
    return {key: text for key, text in found.items() if text}


def digest(variant: Variant, operation: Operation, reader: SourceReader | None = None) -> str:
    """16 hexadecimal digits; empty where the plan cannot be made or a source is not there."""
    found = hashlib.sha256()
    try:
        with kept_clean():
            for part in _parts(_plan(variant, operation), reader or SourceReader()):
                found.update(len(part).to_bytes(8, "little") + part)
    except (DeclarationError, OSError, TypeError):
        return ""
    return found.hexdigest()[:16]


def _plan(variant: Variant, operation: Operation) -> Any:
    for sizes in (operation.small, operation.axes):
        for dtype in operation.dtypes:
            shape = Shape(tuple((axis, sizes[axis]) for axis in operation.axes), dtype)
            if variant.supports(shape) is None:
                return variant.plan(shape, variant.default_settings())
    raise TypeError("it supports none of the shapes that its operation names")


def _parts(value: Any, reader: SourceReader) -> Iterator[bytes]:
    """What tells a value from another: of a path its text with its headers, of a function its text, of what holds
    others those. Where any of it lies on this machine is no part of it."""
    if isinstance(value, Path):
        for text in reader.identity(value, Unit(value, "float32", (), HOST).project_folders()):
            yield text.encode() if isinstance(text, str) else text
    elif is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__.encode()
        for field in fields(value):
            yield field.name.encode()
            yield from _parts(getattr(value, field.name), reader)
    elif isinstance(value, Mapping):
        yield from _parts(sorted(value.items()), reader)
    elif isinstance(value, tuple | list):
        yield str(len(value)).encode()
        for one in value:
            yield from _parts(one, reader)
    elif isinstance(value, functools.partial):
        yield from _parts((value.func, value.args, value.keywords), reader)
    elif callable(value):
        yield _text(value)
    else:
        yield repr(value).encode()


def _text(function: Any) -> bytes:
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    try:
        return inspect.getsource(function).encode()
    except (OSError, TypeError):  # written in C, or made at run time: its name is all there is
        return name.encode()
