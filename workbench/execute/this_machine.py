"""What this machine can run, found out without importing torch."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
from pathlib import Path

from workbench.declare import Shape, Variant
from workbench.declared import DeclarationError
from workbench.limits import gpu
from workbench.problem import installing


def gpu_name() -> str | None:
    """The GPU's name, or None where there is none."""
    found = gpu()
    return found.name if found else None


def gpu_arch() -> str | None:
    """The GPU's architecture, such as `sm_90`, or None where there is none."""
    found = gpu()
    return found.limits.arch if found else None


@functools.cache
def cpu_name() -> str:
    """The processor's model name and how many of its cores this process may use."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.lower().startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def device_name(device: str) -> str:
    """The name that records carry for `cuda` or `cpu`."""
    return (gpu_name() or "no GPU") if device == "cuda" else cpu_name()


def default_devices() -> tuple[str, ...]:
    return ("cuda",) if gpu_name() else ("cpu",)


def backend_here(variant: Variant) -> tuple[str | None, str]:
    """How a variant runs here: `cuda`, `cpu`, `simulated` or not at all; and a word on why."""
    missing = missing_requirement(variant)
    if missing is not None:
        return None, missing
    if "cuda" in variant.devices and gpu_name():
        return "cuda", "timed on the GPU"
    if "cpu" in variant.devices:
        return "cpu", "timed on the CPU"
    if not variant.own_kernels:
        return None, "a library's code for the GPU, and no GPU here"
    return "simulated", "no GPU here: executed by the simulator, not timed"


def missing_requirement(variant: Variant) -> str | None:
    """The line that installs what a variant needs and this machine lacks, or None."""
    for requirement in variant.requires:
        if importlib.util.find_spec(requirement.module) is None:
            return f"needs {requirement.module}: {installing(requirement.install)}"
    return None


def why_unsupported(variant: Variant, shape: Shape) -> str | None:
    """The reason why a variant cannot take part at a shape here, or None."""
    try:
        return missing_requirement(variant) or variant.supports(shape)
    except DeclarationError:
        return None  # it takes part, and its record says what is wrong with it
