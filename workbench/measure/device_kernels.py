"""The kernels that measuring itself needs on a GPU: compiled for the one at hand, launched on torch's stream."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def own_kernels(file: str, names: Sequence[str]) -> dict[str, Any]:
    """The kernels of a source file beside this one, loaded on torch's current GPU.

    Raises RuntimeError where the file does not compile: it is no fault of what is to be timed.
    """
    from cuda.core import ObjectCode

    from workbench.compile import Unit, build_or_raise
    from workbench.execute.on_cuda import current_arch

    unit = Unit(Path(__file__).with_name(file), "float32", (), current_arch())
    binary = build_or_raise([unit], f"{file}, which measuring needs, does not compile", RuntimeError)[unit]
    module = ObjectCode.from_cubin(str(binary.path))
    return {name: module.get_kernel(name) for name in names}


def launch_own(kernel: Any, blocks: int, threads: int, *arguments: Any) -> None:
    from cuda.core import LaunchConfig, launch

    from workbench.execute.on_cuda import torch_stream

    launch(torch_stream(), LaunchConfig(grid=blocks, block=threads), kernel, *arguments)
