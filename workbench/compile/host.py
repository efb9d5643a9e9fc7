"""C++ → shared library, by the host's compiler: CPU kernels."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from workbench.compile.nvrtc import Compilation
from workbench.compile.units import Unit
from workbench.problem import Problem
from workbench.temporary import temporary_folder

HOST_FLAGS = ("-O3", "-march=native", "-fopenmp", "-std=c++20", "-shared", "-fPIC", "-Wall")


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


def compile_host(unit: Unit, source: Path, flags: Sequence[str], include: Sequence[Path], target: Path) -> Compilation:
    """Compiles the unit's source into the shared library `target`."""
    macros = [f"-D{name}={value}" for name, value in unit.macros()]
    folders = [f"-I{folder}" for folder in include]
    command = [*host_compiler(), *flags, *macros, *folders, str(source), "-o", str(target)]
    done = run_compiler(command)
    log = (done.stderr + done.stdout).strip()
    if done.returncode:
        return Compilation(None, log or f"{unit.source}: {command[0]} ended with status {done.returncode}")
    return Compilation(b"", log)
