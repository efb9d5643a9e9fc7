"""The machine's library: compiled once by the host's C++ compiler, cached by content, loaded into this process."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench.compile import cache
from workbench.compile.host import compiler_identity, host_compiler, run_compiler
from workbench.problem import Problem
from workbench.temporary import temporary_folder

MACHINE = Path(__file__).parent / "machine"
FLAGS = (
    "-std=c++20", "-O2", "-ftree-vectorize", "-march=native", "-fno-strict-aliasing", "-ffp-contract=off",
    "-fno-math-errno", "-fno-trapping-math", "-Wall",
    "-Wextra", "-fPIC", "-fno-semantic-interposition",
)  # fmt: skip
"""No contraction: a product and a sum that the kernel rounds twice are rounded twice."""
LINKED = ("-shared", "-Wl,-Bsymbolic")
"""With the last of FLAGS: the library's functions call each other directly. Nobody else's take their place."""


@functools.cache
def machine_library() -> ctypes.CDLL:
    """The library. Raises Problem where there is no compiler, or it does not compile."""
    library = ctypes.CDLL(str(compiled()))
    library.simulate_new.restype = ctypes.c_void_p
    for name in ("simulate_program", "simulate_run", "simulate_finding"):
        getattr(library, name).restype = ctypes.c_char_p
    library.simulate_trace_words.restype = ctypes.POINTER(ctypes.c_uint32)
    library.simulate_executed.restype = library.simulate_finding_count.restype = ctypes.c_uint64
    return library


def lacks_form(name: str) -> bool:
    """Whether the machine has no form of this name."""
    return not machine_library().simulate_has_form(name.encode())


def compiled() -> Path:
    """The library's file, compiled where the cache lacks it: half a minute of processor time. Raises Problem."""
    compiler, target = host_compiler(), _entry()
    if cache.is_sound(target):
        return target
    with cache.one_at_a_time(target), temporary_folder() as folder, ThreadPoolExecutor(2) as pool:
        headers = _precompiled_headers(compiler, folder)
        objects = list(pool.map(lambda source: _object(compiler, source, headers), sorted(MACHINE.glob("*.cpp"))))
    return _made(target, lambda scratch: [*compiler, *LINKED, *map(str, objects), "-o", str(scratch)])


def is_compiled() -> bool:
    """Whether the cache holds it. Raises Problem where there is no compiler, which the entry's name depends on."""
    return cache.is_sound(_entry())


def _entry() -> Path:
    files = (*sorted(MACHINE.glob("*.cpp")), *sorted(MACHINE.glob("*.h")))
    texts = [part for file in files for part in (file.name, file.read_bytes())]
    identity = compiler_identity(host_compiler(), FLAGS)
    return cache.entry(cache.digest(["simulate", identity, repr((FLAGS, LINKED)), *texts]), ".so")


def _precompiled_headers(compiler: tuple[str, ...], folder: Path) -> Path:
    """What nearly every file includes, read once and not by each: a third of the time. A compiler that cannot use what
    it made of it reads the header itself."""
    header = folder / "headers.h"
    header.write_text("".join(f'#include "{MACHINE / name}"\n' for name in ("forms.h", "numbers.h")))
    _run([*compiler, *FLAGS, "-x", "c++-header", str(header), "-o", f"{header}.gch"])
    return header


def _object(compiler: tuple[str, ...], source: Path, included: Path) -> Path:
    """One file compiled, from the cache where neither it nor a header has changed."""
    headers = [part for file in sorted(MACHINE.glob("*.h")) for part in (file.name, file.read_bytes())]
    identity = ["simulate", compiler_identity(compiler, FLAGS), repr(FLAGS), source.read_bytes(), *headers]
    target = cache.entry(cache.digest(identity), ".o")
    return _made(
        target, lambda scratch: [*compiler, *FLAGS, "-include", str(included), "-c", str(source), "-o", str(scratch)]
    )


def _made(target: Path, command: Callable[[Path], list[str]]) -> Path:
    if cache.is_sound(target):
        return target
    with cache.scratch_file(target) as scratch:
        _run(command(scratch))
        cache.publish(scratch, target)
    return target


def _run(command: list[str]) -> None:
    done = run_compiler(command)
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:300])
        raise Problem(f"the simulator does not compile with {command[0]}: {first}; install g++ 12 or later, or set CXX")
