"""The machines and the versions that a run is made with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from workbench.execute.this_machine import cpu_name, device_name, gpu_arch
from workbench.limits import gpu
from workbench.measure.caches import cache_bytes
from workbench.store.record import Machine

PACKAGES = ("torch", "cuda-core", "cuda-bindings", "nvidia-cuda-nvrtc", "numpy", "nvtx", "scan-workbench")


def environment(kernels: str = "") -> dict[str, Any]:
    """What concerns a run as a whole: the workbench's commit, and that of a folder of kernels of one's own, where they
    are known. A `+` behind a commit says that files of it have been changed since."""
    found = {"commit": _commit(Path(__file__).parent), "kernels_commit": _commit(Path(kernels)) if kernels else None}
    return {name: commit for name, commit in found.items() if commit}


def _commit(folder: Path) -> str | None:
    commit = _first_line(["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"])
    changed = commit and _first_line(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"])
    return f"{commit}+" if changed else commit


def machine_of(backend: str) -> Machine:
    """The machine of a backend (`cuda`, `cpu`, `simulated`) here, under that id. Versions that cannot be had are
    absent."""
    return Machine(
        id=backend,
        name="simulated" if backend == "simulated" else device_name(backend),
        host=platform.node(),
        backend=backend,
        arch=(gpu_arch() or "") if backend == "cuda" else platform.machine(),
        uuid=found.uuid if backend == "cuda" and (found := gpu()) else "",
        versions=_versions(backend),
        caches=cache_bytes() if backend == "cpu" else {},
    )


def _versions(backend: str) -> dict[str, str]:
    found = {"os": platform.platform(), "python": platform.python_version(), "cpu": cpu_name()}
    found |= {name: version for name in PACKAGES if (version := _version(name)) is not None}
    compiler = _first_line([os.environ.get("CXX", "g++"), "--version"])
    if compiler:
        found["compiler"] = compiler
    if backend == "cuda":
        query = "driver_version,clocks.max.sm,clocks.max.mem,power.limit,memory.total,persistence_mode"
        line = _first_line(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"])
        if line:
            found |= dict(zip(query.split(","), line.split(", "), strict=False))
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _first_line(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None
