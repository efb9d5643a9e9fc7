"""CUDA C++ → cubin, by NVRTC through cuda.core. Needs no GPU and no driver."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.build.units import Unit
from workbench.foreign import first_words
from workbench.problem import Problem

STANDARD = "c++17"
PTXAS_OPTIONS = ("-v",)
"""ptxas then tells registers, barriers, stack and spills of each kernel."""


@dataclass(frozen=True)
class Compilation:
    """What a compiler made of one unit: its binary, or None, and all that it said."""

    code: bytes | None
    log: str
    ptx: bytes = b""
    """What a cubin was made from."""


def compile_cuda(
    name: str, text: str, arch: str, macros: Sequence[tuple[str, str]], include: Sequence[str]
) -> Compilation:
    """Compiles one translation unit. `name` is the path that messages and line numbers refer to."""
    cuda_core, _ = modules()
    options = cuda_core.ProgramOptions(
        name=name,
        arch=arch,
        std=STANDARD,
        lineinfo=True,
        include_path=list(include),
        define_macro=[tuple(macro) for macro in macros] or None,
        ptxas_options=list(PTXAS_OPTIONS),
    )
    log = io.StringIO()
    try:
        program = cuda_core.Program(text, "c++", options)
        code = program.compile("cubin", logs=log).code
    except Exception as error:  # cuda.core's class for a failed compilation is private to it
        if type(error).__name__ != "NVRTCError" or "compilation log" not in str(error):
            raise Problem(f"{name}: NVRTC failed: {error}") from error
        return Compilation(None, _plain(str(error).split("compilation log:", 1)[1]))
    return Compilation(bytes(code), _plain(log.getvalue()), ptx_of(program.handle))


def ptx_of(program: Any) -> bytes:
    """The PTX of a program that NVRTC has compiled, whatever it was compiled to."""
    _, nvrtc = modules()
    _, size = nvrtc.nvrtcGetPTXSize(program)
    text = bytearray(size)
    nvrtc.nvrtcGetPTX(program, text)
    return bytes(text).rstrip(b"\0")


def options_text(unit: Unit, include: Sequence[Path]) -> str:
    """Everything on the command line that changes what comes out, the folders aside (their headers are hashed)."""
    return f"nvrtc {unit.arch} {STANDARD} lineinfo {PTXAS_OPTIONS} {unit.macros()} folders={len(include)}"


def offered_archs() -> list[int]:
    """Compute capabilities as NVRTC numbers them: 80, 90, 100…"""
    _, nvrtc = modules()
    _, archs = nvrtc.nvrtcGetSupportedArchs()
    return list(archs)


def library_version() -> str:
    _, nvrtc = modules()
    _, major, minor = nvrtc.nvrtcVersion()
    return f"{major}.{minor}"


def modules() -> tuple[Any, Any]:
    """`cuda.core` and NVRTC's own interface. Raises Problem where one is missing or broken."""
    try:
        import cuda.core
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()  # loads the library, which is a package of its own and may be missing or broken
    except (ImportError, OSError, RuntimeError) as error:
        raise Problem(
            f"CUDA sources cannot be compiled ({first_words(error)}): pip install 'cuda-core[cu13]' nvidia-cuda-nvrtc"
        ) from error
    return cuda.core, nvrtc


def _plain(text: str) -> str:
    """NVRTC's log without its NUL separators and without how long ptxas took, which differs every time."""
    lines = text.replace("\0", "\n").splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip() and "Compile time =" not in line)
