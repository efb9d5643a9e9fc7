"""The unit of compilation: one source, for one dtype, with its defines, for one architecture."""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from workbench.catalog import BUILTIN
from workbench.declare import Defines, Plan
from workbench.problem import Problem
from workbench.steps import Source, distinct_sources, kind_of

HOST = "host"
"""The architecture of a C++ source: the machine that compiles it."""


SYMBOL_OF = "symbol of"
"""With which the line of a log begins that tells a function's mangled name."""


class NoSource(Problem):
    """A declaration names a source that does not exist: that variant's fault."""


@dataclass(frozen=True)
class Unit:
    """What is compiled at once. `arch` is `sm_90`…, `host` for a C++ source."""

    source: Path
    dtype: str
    defines: Defines
    arch: str
    function: str = ""
    types: tuple[str, ...] = ()
    """Of a language that is compiled a function at a time, for types of arguments (Triton): which, and those of its
    arguments in the language's own words."""
    options: tuple[str, ...] = ()
    """Further options of its compiler."""
    instance: str = ""
    """A function of CUDA C++ that is no `extern "C"` one, as C++ names it: what the compiler is asked for."""

    def found_source(self) -> Path:
        """The source's own path, links followed. Raises NoSource."""
        source = self.source.resolve()
        if not source.is_file():
            raise NoSource(f"{self.source}: no such source; its declaration names a file that does not exist")
        return source

    def macros(self) -> list[tuple[str, str]]:
        """Every macro of its command line: the dtype that crosses memory, then the step's own defines."""
        return [(f"IO_{self.dtype.upper()}", "1"), *((name, str(value)) for name, value in self.defines)]

    def project_folders(self) -> list[Path]:
        """Where its quoted includes are looked for."""
        return project_folders(self.source)

    def __str__(self) -> str:
        defines = "".join(f" -D{name}={value}" for name, value in self.defines)
        options = "".join(f" {option}" for option in self.options)
        return f"{self.source.name} {self.dtype} {self.arch}{defines}{options} {self.instance}".rstrip()


def project_folders(source: Path) -> list[Path]:
    """Where a source's quoted includes are looked for: beside it, in the `include/` one level up, and in the built-in
    kernels' own, for those who add a variant from elsewhere."""
    folder = source.parent
    return list(dict.fromkeys((folder, folder.parent / "include", BUILTIN / "include")))


def name_here(files: MutableMapping[int, str], source: Path) -> None:
    """Names the files that lines of a binary refer to as they are called here. Whoever compiled what the cache holds
    may have had them elsewhere, in a checkout that is gone or has changed; their content is the same by its key."""
    for number, path in files.items():
        name = PurePath(path).name
        here = next((folder / name for folder in project_folders(source) if name and (folder / name).is_file()), None)
        if here is not None:
            files[number] = str(here)


@dataclass(frozen=True)
class Binary:
    """A compiled unit: a cubin, or a shared library."""

    path: Path
    cached: bool
    """True when it was there already and nothing was compiled."""
    log: str
    """What the compiler said: warnings, and ptxas's account of each kernel."""

    @property
    def launch_needs(self) -> tuple[int, int]:
        """What the compiler has added to a launch: bytes of dynamic shared memory, and null pointers behind the
        arguments."""
        found = re.search(r"^launch needs (\d+) bytes of shared memory, (\d+) null pointers", self.log, re.MULTILINE)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def symbol(self, function: str) -> str:
        """What the binary calls a function: of a C++ one its mangled name, which the compiler told."""
        return next((mangled for name, mangled in self._mangled() if name == function), function)

    def function(self, symbol: str) -> str:
        """The function, as declarations name it, that the binary calls `symbol`."""
        return next((name for name, mangled in self._mangled() if mangled == symbol), symbol)

    def _mangled(self) -> list[tuple[str, str]]:
        return re.findall(rf"^{SYMBOL_OF} (.+): (\S+)$", self.log, re.MULTILINE)


@dataclass(frozen=True)
class CompileFailure:
    """A unit that does not compile."""

    unit: Unit
    message: str
    """The compiler's own text, with file and line."""
    log: Path | None = None
    """A file that holds it."""
    lacking: bool = False
    """True where it is this machine that lacks the compiler: nothing is wrong with the source."""


def unit_of(step: Any, dtype: str, arch: str) -> Unit:
    """The unit that holds a step's function. A host function is compiled for the host whatever `arch` says. Raises
    Problem for a step of which nothing is compiled."""
    source = kind_of(step).source(step)
    if source is None:
        raise Problem(f"nothing is compiled for {kind_of(step).shown(step)}")
    return unit_of_source(source, dtype, arch)


def unit_of_source(source: Source, dtype: str, arch: str) -> Unit:
    """The unit that a source is compiled in."""
    if source.language == "triton":
        return Unit(source.path, dtype, source.defines, arch, source.function, source.types)
    if source.language == "c++":
        return Unit(source.path, dtype, source.defines, HOST, options=source.options)
    instance = "" if source.function.isidentifier() else source.function
    return Unit(source.path, dtype, source.defines, arch, options=source.options, instance=instance)


def units_of(plan: Plan, dtype: str, archs: Iterable[str]) -> list[Unit]:
    """Everything that the plan's steps are compiled to, each once: kernels for each architecture, host functions."""
    targets = list(archs)
    found: dict[Unit, None] = {}
    for step in distinct_sources(plan):
        source = kind_of(step).source(step)
        assert source is not None
        for arch in [HOST] if source.language == "c++" else targets:
            found[unit_of_source(source, dtype, arch)] = None
    return list(found)
