"""Where the pieces of NVIDIA's toolkit are: headers, and the binary tools, all from their wheels."""

from __future__ import annotations

import functools
import hashlib
import subprocess
from importlib import metadata
from pathlib import Path

from workbench.problem import Problem

HEADER_WHEELS = ("nvidia-cuda-runtime", "nvidia-cuda-crt", "nvidia-cuda-cccl")


@functools.cache
def wheel_version(wheel: str) -> str:
    """The installed version, or `absent` (then a toolkit of the system stands in, or nothing does)."""
    try:
        return metadata.version(wheel)
    except metadata.PackageNotFoundError:
        return "absent"


@functools.cache
def nvrtc_version() -> str:
    """What identifies the CUDA compiler: the version of its wheel, else what the library says."""
    version = wheel_version("nvidia-cuda-nvrtc")
    if version != "absent":
        return version
    from workbench.compile.nvrtc import library_version

    return library_version()


def header_versions() -> str:
    """What identifies the toolkit's headers."""
    return " ".join(f"{wheel}={wheel_version(wheel)}" for wheel in HEADER_WHEELS)


@functools.cache
def include_folders() -> tuple[Path, ...]:
    """The folders that hold `cuda_bf16.h`, `cuda_occupancy.h` and their like, and `cuda/atomic`.

    Raises Problem when the headers are not installed.
    """
    from cuda.pathfinder import find_nvidia_header_directory

    runtime, cccl = find_nvidia_header_directory("cudart"), find_nvidia_header_directory("cccl")
    if runtime is None:
        raise Problem(f"the CUDA headers are missing: pip install {' '.join(HEADER_WHEELS)}")
    return tuple(Path(folder) for folder in (runtime, cccl) if folder is not None)


DEVICE_HEADERS = Path(__file__).parent / "device_headers"
"""What device code includes of a host's headers: the compiler for GPUs comes without them."""


def device_folders() -> tuple[Path, ...]:
    """The folders for a GPU source, the toolkit's first."""
    return (*include_folders(), DEVICE_HEADERS)


@functools.cache
def device_headers() -> str:
    """What identifies the headers of a GPU source: the toolkit's versions, and our own text."""
    own = "".join(path.name + path.read_text() for path in sorted(DEVICE_HEADERS.iterdir()))
    return f"{header_versions()} {hashlib.sha256(own.encode()).hexdigest()[:16]}"


@functools.cache
def binary_tool(name: str) -> Path:
    """`nvdisasm` or `cuobjdump`. Raises Problem with the line that installs it."""
    from cuda.pathfinder import find_nvidia_binary_utility

    found = find_nvidia_binary_utility(name)
    if found is None:
        raise Problem(f"{name} is missing, so what the compiler made cannot be read: pip install nvidia-cuda-{name}")
    return Path(found)


def run_tool(name: str, *arguments: str) -> str:
    """What a binary tool prints. Raises Problem with its own message when it fails."""
    command = [str(binary_tool(name)), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Problem(
            f"{command[0]}: {error.strerror}; reinstall it: pip install --force-reinstall nvidia-cuda-{name}"
        ) from error
    if done.returncode:
        raise Problem(f"{name} {' '.join(arguments)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
