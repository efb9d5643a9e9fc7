"""The emulator's runtime: compiled once by the host's C++ compiler, cached by content, loaded into this process."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

from workbench.build import cache
from workbench.emulate.flags import EMULATED_INCLUDE
from workbench.problem import Problem

HERE = Path(__file__).parent
SOURCES = sorted((HERE / "runtime").glob("*.cpp"))
HEADERS = [*sorted((HERE / "runtime").glob("*.h")), *sorted((HERE / "include").glob("*.h"))]
FLAGS = ("-std=c++20", "-O2", "-g1", "-march=native", "-fno-strict-aliasing", "-Wall", "-Wextra", "-shared", "-fPIC")
LINKED = ("-fno-semantic-interposition", "-Wl,-Bsymbolic")  # calls within the runtime go straight

launching = threading.Lock()
"""Held during a launch: the runtime runs one at a time."""


class Parameter(ctypes.Structure):
    _fields_ = (("word", ctypes.c_char_p), ("pointer", ctypes.c_int))


class Entry(ctypes.Structure):
    """What a library exports for each kernel, see include/emulated_entry.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("count", ctypes.c_int),
        ("parameters", ctypes.POINTER(Parameter)),
        ("call", ctypes.c_void_p),
        ("shared_anchor", ctypes.c_void_p),
    )


class Request(ctypes.Structure):
    _fields_ = (
        ("entry", ctypes.POINTER(Entry)),
        ("arguments", ctypes.POINTER(ctypes.c_void_p)),
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("dynamic_shared", ctypes.c_int64),
        ("order", ctypes.c_int32),
        ("resident_blocks", ctypes.c_uint32),
        ("seed", ctypes.c_uint64),
    )


class Report(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_char_p),
        ("text", ctypes.c_char_p),
        ("file", ctypes.c_char_p),
        ("line", ctypes.c_int32),
        ("has_block", ctypes.c_int32),
        ("has_thread", ctypes.c_int32),
        ("block", ctypes.c_uint32 * 3),
        ("thread", ctypes.c_uint32 * 3),
        ("instruction", ctypes.c_void_p),
    )


def _compile() -> Path:
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise Problem("emulation needs a C++ compiler: none found; install g++ or set CXX")
    if len(EMULATED_INCLUDE) < 2:
        raise Problem("emulation needs CUDA's headers: none found; pip install nvidia-cuda-runtime nvidia-cuda-crt")
    flags = [*FLAGS, *LINKED, *(["-DEMULATED_UCONTEXT"] if os.environ.get("WORKBENCH_FIBERS") == "ucontext" else [])]
    version = subprocess.run([compiler, "-v"], capture_output=True, text=True, check=False).stderr
    key = hashlib.sha256("\0".join([compiler, version, *flags]).encode())
    for path in (*SOURCES, *HEADERS):
        key.update(path.name.encode() + b"\0" + path.read_bytes())
    library = cache.entry(key.hexdigest(), ".so")
    if cache.is_sound(library):
        return library
    made = cache.scratch_path(library)
    try:
        include = [f"-I{path}" for path in EMULATED_INCLUDE]
        # All in one translation unit: the scheduler is inlined where a thread waits.
        unit = "".join(f'#include "{path}"\n' for path in SOURCES)
        command = [compiler, *flags, *include, "-x", "c++", "-", "-o", str(made)]
        done = subprocess.run(command, input=unit, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Problem(f"the emulator's runtime does not compile with {compiler}: {done.stderr.strip()}")
        cache.publish(made, library)
    finally:
        made.unlink(missing_ok=True)
    return library


@functools.cache
def runtime() -> ctypes.CDLL:
    """The runtime, its symbols open to the kernels' libraries that are loaded later."""
    library = ctypes.CDLL(str(_compile()), mode=ctypes.RTLD_GLOBAL)
    library.emulator_launch.argtypes = (ctypes.POINTER(Request), ctypes.POINTER(Report))
    library.emulator_buffer_create.argtypes = (ctypes.c_char_p, ctypes.c_uint64, ctypes.c_int)
    library.emulator_buffer_create.restype = ctypes.c_void_p
    library.emulator_buffer_data.argtypes = (ctypes.c_void_p,)
    library.emulator_buffer_data.restype = ctypes.c_void_p
    library.emulator_buffers_check.argtypes = (ctypes.c_char_p, ctypes.c_uint64)
    library.emulator_buffer_release.argtypes = (ctypes.c_void_p,)
    library.emulator_buffer_release.restype = None
    library.emulator_set_watchdog.argtypes = (ctypes.c_int,)
    library.emulator_set_watchdog.restype = None
    return library


@functools.cache
def kernel_library(path: Path) -> ctypes.CDLL:
    """An emulated source's library; the runtime is loaded before, since the library's symbols are its."""
    runtime()
    return ctypes.CDLL(str(path))
