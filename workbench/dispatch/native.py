"""Host functions by name: compiled where they were not, from the cache where they were, and called through ctypes."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

from workbench.declare import Defines
from workbench.host_steps import host_library


@functools.cache
def host_function(
    source: Path, function: str, dtype: str, defines: Defines = (), signature: str = "", options: tuple[str, ...] = ()
) -> Any:
    """The `extern "C"` function of a C++ source, for `dtype` across memory.

    `signature` has a letter an argument, p for a pointer (None is null) and i for a 64-bit integer: with it a call
    converts plain Python integers itself. Raises Problem where there is no compiler, SourceError where it does not
    compile.
    """
    found = _library(source, dtype, defines, options)[function]
    found.restype = None
    if signature:
        found.argtypes = [ctypes.c_void_p if letter == "p" else ctypes.c_int64 for letter in signature]
    return found


@functools.cache
def _library(source: Path, dtype: str, defines: Defines, options: tuple[str, ...]) -> ctypes.CDLL:
    from workbench.compile import HOST, Unit, build_or_raise

    unit = Unit(source, dtype, defines, HOST, options=options)
    return host_library(build_or_raise([unit], f"{source.name} does not compile")[unit].path)
