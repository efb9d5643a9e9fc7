"""A digest of all that a variant is made from: known again after a rename, and different after an edit.

It covers, for the operation's small shape (its usual one where that is not supported) and the default settings, every
step of the plan: the text of each source with all headers of this project that it includes, functions, defines, grids,
blocks and arguments, and the Python text of functions that steps call. A comment counts; the toolkit, the compiler and
what a called function calls do not.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
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
            parts: list[bytes] = []
            _add(_plan(variant, operation), reader or SourceReader(), parts)
            for part in parts:
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


def _add(value: Any, reader: SourceReader, parts: list[bytes]) -> None:
    """Adds what tells a value from another: of a path its text with its headers, of a function its text, of what holds
    others those. Where any of it lies on this machine is no part of it."""
    if isinstance(value, Path):
        for text in reader.identity(value, Unit(value, "float32", (), HOST).project_folders()):
            parts.append(text.encode() if isinstance(text, str) else text)
    elif is_dataclass(value) and not isinstance(value, type):
        parts.append(type(value).__name__.encode())
        for field in fields(value):
            parts.append(field.name.encode())
            _add(getattr(value, field.name), reader, parts)
    elif isinstance(value, Mapping):
        _add(sorted(value.items()), reader, parts)
    elif isinstance(value, tuple | list):
        parts.append(str(len(value)).encode())
        for one in value:
            _add(one, reader, parts)
    elif isinstance(value, functools.partial):
        _add((value.func, value.args, value.keywords), reader, parts)
    elif callable(value):
        parts.append(reader.function(value))
    else:
        parts.append(repr(value).encode())
