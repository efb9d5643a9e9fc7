"""Host functions by name: compiled where they were not, from the cache where they were, and called through ctypes."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

from workbench.declare import Defines
from workbench.problem import SourceError


@functools.cache
def host_function(source: Path, function: str, dtype: str, defines: Defines = (), signature: str = "") -> Any:
    """The `extern "C"` function of a C++ source, for `dtype` across memory.

    `signature` has a letter an argument, p for a pointer (None is null) and i for a 64-bit integer: with it a call
    converts plain Python integers itself. Raises Problem where there is no compiler, SourceError where it does not
    compile.
    """
    found = _library(source, dtype, defines)[function]
    found.restype = None
    if signature:
        found.argtypes = [ctypes.c_void_p if letter == "p" else ctypes.c_int64 for letter in signature]
    return found


@functools.cache
def _library(source: Path, dtype: str, defines: Defines) -> ctypes.CDLL:
    from workbench.build import HOST, CompileFailure, Unit, build_unit, first_errors

    built = build_unit(Unit(source, dtype, defines, HOST))
    if isinstance(built, CompileFailure):
        raise SourceError(f"{source.name} does not compile: {first_errors(built)}")
    return ctypes.CDLL(str(built.path))
