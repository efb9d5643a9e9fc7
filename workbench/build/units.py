"""The unit of compilation: one source, for one dtype, with its defines, for one architecture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.catalog import BUILTIN
from workbench.declare import Defines, Host, Kernel
from workbench.problem import Problem

HOST = "host"
"""The architecture of a C++ source: the machine that compiles it."""
EMULATED = "emulated"
"""The architecture of a CUDA source that the host compiler compiles, to be executed by `emulate`."""


class NoSource(Problem):
    """A declaration names a source that does not exist: that variant's fault."""


@dataclass(frozen=True)
class Unit:
    """What is compiled at once. `arch` is `sm_90`…, `host` for a C++ source, `emulated` for CUDA on the host."""

    source: Path
    dtype: str
    defines: Defines
    arch: str

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
        """Where its quoted includes are looked for: beside the source, in the `include/` one level up, and in the
        built-in kernels' own, for those who add a variant from elsewhere."""
        folder = self.source.parent
        return list(dict.fromkeys((folder, folder.parent / "include", BUILTIN / "include")))

    def __str__(self) -> str:
        defines = "".join(f" -D{name}={value}" for name, value in self.defines)
        return f"{self.source.name} {self.dtype} {self.arch}{defines}"


@dataclass(frozen=True)
class Binary:
    """A compiled unit: a cubin, or a shared library."""

    path: Path
    cached: bool
    """True when it was there already and nothing was compiled."""
    log: str
    """What the compiler said: warnings, and ptxas's account of each kernel."""


@dataclass(frozen=True)
class CompileFailure:
    """A unit that does not compile."""

    unit: Unit
    message: str
    """The compiler's own text, with file and line."""
    log: Path | None = None
    """A file that holds it."""


def unit_of(step: Kernel | Host, dtype: str, arch: str) -> Unit:
    """The unit that holds a step's function. A Host step is compiled for the host whatever `arch` says."""
    return Unit(step.source, dtype, step.defines, HOST if isinstance(step, Host) else arch)
