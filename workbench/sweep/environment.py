"""The machine and the versions that a run was made with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from workbench.execute.here import cpu_name, gpu_name

PACKAGES = ("torch", "cuda-core", "cuda-bindings", "nvidia-cuda-nvrtc", "numpy", "nvtx", "scan-workbench")


def environment() -> dict[str, Any]:
    """Names and versions, as far as they can be had; what is not there is absent."""
    found: dict[str, Any] = {
        "cpu": cpu_name(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: v for name in PACKAGES if (v := _version(name)) is not None},
    }
    compiler = _first_line([os.environ.get("CXX", "g++"), "--version"])
    commit = _first_line(["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"])
    gpu = gpu_name()
    found |= {k: v for k, v in (("compiler", compiler), ("commit", commit), ("gpu", gpu)) if v}
    if gpu:
        query = "driver_version,clocks.max.sm,clocks.max.mem,power.limit,memory.total,persistence_mode"
        line = _first_line(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"])
        if line:
            found["gpu_settings"] = dict(zip(query.split(","), line.split(", "), strict=False))
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
