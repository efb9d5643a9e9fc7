"""The questions that doctor puts to a machine."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PATIENCE_S = 20.0
"""nvidia-smi hangs for minutes when a driver is stuck; a doctor must not."""
CAP_SYS_ADMIN = 21
CAP_PERFMON = 38


@dataclass(frozen=True)
class Torch:
    """What torch says of itself; `error` where it cannot be imported."""

    version: str = ""
    cuda: str | None = None
    """The CUDA that it was built with; None in a CPU build."""
    available: bool = False
    error: str | None = None


class Machine:
    """This machine. A test hands another one to `diagnose`."""

    def which(self, program: str) -> str | None:
        """Where a program is, or None."""
        return shutil.which(program)

    def output(self, *command: str) -> str | None:
        """What a program prints; None where it is not there, fails, or does not answer in time."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def text(self, path: str) -> str | None:
        """A file's text, or None where it cannot be read."""
        try:
            return Path(path).read_text(errors="replace")
        except OSError:
            return None

    def package(self, name: str) -> str | None:
        """The version of an installed package, or None."""
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    def processes(self) -> set[str]:
        """Names of the running processes, as far as this user sees them (15 characters each: the kernel cuts)."""
        names = (self.text(str(path)) for path in Path("/proc").glob("[0-9]*/comm"))
        return {name.strip() for name in names if name}

    def may_read_counters_as_admin(self) -> bool:
        """Whether this process is root, or has CAP_SYS_ADMIN or CAP_PERFMON."""
        status = self.text("/proc/self/status") or ""
        effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
        bits = int(effective, 16)
        return bool(bits >> CAP_SYS_ADMIN & 1 or bits >> CAP_PERFMON & 1)

    @functools.cached_property
    def torch(self) -> Torch:
        """Imports torch (seconds), once."""
        try:
            import torch
        except (ImportError, OSError) as error:
            return Torch(error=str(error).splitlines()[0])
        return Torch(torch.__version__, torch.version.cuda, torch.cuda.is_available())

    def compiler(self) -> Sequence[str] | str:
        """The host's C++ compiler as a command, or the line that says how to get one."""
        from workbench.compile.host import host_compiler
        from workbench.problem import Problem

        try:
            return host_compiler()
        except Problem as problem:
            return str(problem)

    def nvrtc(self) -> tuple[str, Sequence[str]] | str:
        """NVRTC's version and the architectures it compiles for, or the line that says how to get it."""
        from workbench.compile import supported_archs
        from workbench.compile.toolkit import nvrtc_version
        from workbench.problem import Problem

        try:
            return nvrtc_version(), supported_archs()
        except (Problem, ImportError, OSError, RuntimeError) as problem:
            return str(problem).splitlines()[0]

    def user(self) -> str:
        return "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
