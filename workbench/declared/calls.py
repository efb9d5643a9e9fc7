"""A declaration's functions as they are called: what they raise, or return wrongly, names their file and line."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

from workbench.foreign import first_words
from workbench.problem import Problem


class DeclarationError(Problem):
    """A declaration is not what it must be: the fault of one variant, or of one operation, and of no other."""


def wrapped(
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
