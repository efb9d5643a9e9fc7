"""C++ → shared library, by the host's compiler: CPU kernels."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from workbench.compile import cache
from workbench.compile.nvrtc import Compilation
from workbench.compile.units import Unit
from workbench.problem import Problem
from workbench.temporary import temporary_folder

HOST_FLAGS = ("-O3", "-march=native", "-fopenmp", "-std=c++20", "-shared", "-fPIC", "-Wall")

SLOW_HEADERS = ("immintrin.h",)
"""Headers that take the compiler as long to read as a kernel takes to compile. They are read once, and kept as it holds
them in memory."""


@functools.cache
def _resolved(named: str) -> tuple[str, ...]:
    words = shlex.split(named)
    path = shutil.which(words[0]) if words else None
    if path is None:
        raise Problem(
            f"no C++ compiler: {words[0] if words else 'CXX'} is not on PATH; install g++ (apt install g++) or set CXX"
        )
    return (path, *words[1:])


def host_compiler() -> tuple[str, ...]:
    """The compiler's command: `$CXX`, or g++. Raises Problem when there is none."""
    return _resolved(os.environ.get("CXX") or "g++")


@functools.cache
def compiler_identity(compiler: tuple[str, ...], flags: tuple[str, ...]) -> str:
    """What the compiler is and what it takes this machine for: its version and every macro it predefines.

    With -march=native the macros name the instruction sets, so that a cache carried to another machine is not
    mistaken for that machine's own.
    """
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False).stdout
    macros = subprocess.run(
        [*compiler, *flags, "-dM", "-E", "-x", "c++", os.devnull], capture_output=True, text=True, check=False
    ).stdout
    return version + macros


def run_compiler(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A compiler, whose own temporary files lie in a folder that is cleared even where both are killed."""
    with temporary_folder() as folder:
        environment = {**os.environ, "TMPDIR": str(folder)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def compile_host(
    unit: Unit, source: Path, flags: Sequence[str], include: Sequence[Path], slow: Sequence[str], target: Path
) -> Compilation:
    """Compiles the unit's source, which includes the headers `slow` of SLOW_HEADERS, into the shared library `target`.
    Raises Problem where the cache cannot be written."""
    macros = [f"-D{name}={value}" for name, value in unit.macros()]
    folders = [f"-I{folder}" for folder in include]
    read = [word for name in slow for word in ("-include", str(_precompiled(name, tuple(flags))))]
    command = [*host_compiler(), *flags, *macros, *folders, *read, str(source), "-o", str(target)]
    done = run_compiler(command)
    log = (done.stderr + done.stdout).strip()
    if done.returncode:
        return Compilation(None, log or f"{unit.source}: {command[0]} ended with status {done.returncode}")
    return Compilation(b"", log)


def _precompiled(name: str, flags: tuple[str, ...]) -> Path:
    """A file that includes a header of the compiler's, with what the compiler made of it beside it, where it could."""
    compiler, text = host_compiler(), f"#include <{name}>\n"
    key = cache.digest(["precompiled", text, repr(flags), compiler_identity(compiler, flags)])
    made = cache.entry(key, ".h.gch")
    header = made.with_suffix("")
    if cache.is_sound(made) and header.exists():
        return header
    with cache.one_at_a_time(made):
        if not (cache.is_sound(made) and header.exists()):
            cache.write_message(header, text)
            with cache.scratch_file(made) as scratch:
                done = run_compiler([*compiler, *flags, "-x", "c++-header", str(header), "-o", str(scratch)])
                if done.returncode == 0:
                    cache.publish(scratch, made)
    return header
