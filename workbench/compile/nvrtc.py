"""CUDA C++ → cubin or PTX, by NVRTC. Needs no GPU and no driver: cuda.core asks a driver first, so it is not used."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.compile.units import SYMBOL_OF, Unit
from workbench.foreign import first_words
from workbench.problem import Problem

Form = Literal["cubin", "ptx"]
STANDARD = "c++17"
TELLING = ("--ptxas-options=-v",)
"""ptxas then tells registers, barriers, stack and spills of each kernel."""
AS_NVCC = ("--define-macro=_CCCL_META_UNROLL_LIMIT=10",)
"""Up to how many types CCCL writes its operations on lists of types out: as many as for nvcc. For NVRTC it takes 16,
and reading any of CUB's headers takes 1.5 s then instead of 0.6 s (CCCL's cuda/std/__type_traits/type_list.h)."""


@dataclass(frozen=True)
class Compilation:
    """What a compiler made of one unit: its binary, or None, and all that it said."""

    code: bytes | None
    log: str
    ptx: bytes = b""
    """The same as PTX: what a cubin was made from."""


def options_of(unit: Unit, form: Form) -> list[str]:
    """Every option but the folders of headers (whose texts are hashed); the step's own come last and so win."""
    arch = unit.arch if form == "cubin" else unit.arch.replace("sm_", "compute_")
    return [
        f"--gpu-architecture={arch}",
        f"--std={STANDARD}",
        "--generate-line-info",
        *(TELLING if form == "cubin" else ()),
        *AS_NVCC,
        *(f"--define-macro={name}={value}" for name, value in unit.macros()),
        *unit.options,
    ]


UNASKED = (
    (r"(?:INFINITY|NAN|M_\w+)", "--pre-include=math.h"),
    (r"(?:FLT|DBL)_(?:MAX|MIN|EPSILON|DIG)", "--pre-include=float.h"),
    (r"(?:U?INT|U?LONG|U?LLONG)_(?:MAX|MIN)|CHAR_BIT", "--pre-include=limits.h"),
    (r"uint", "--define-macro=uint=unsigned"),
    (r"ushort", "--define-macro=ushort=decltype((unsigned short)0)"),
    (r"ulong", "--define-macro=ulong=decltype(0ul)"),
)
"""What sources written for nvcc use without an include, as nvcc reads the C library's headers before each: the name,
and the option by which a source that does not compile for want of it is compiled again."""


def compile_cuda(
    name: str, text: str, options: Sequence[str], include: Sequence[str], form: Form = "cubin", instance: str = ""
) -> Compilation:
    """Compiles one translation unit. `name` is the path that messages and line numbers refer to; `instance` a function
    that is no `extern "C"` one, whose mangled name the log then tells. Raises Problem where NVRTC itself fails."""
    made = first = _compile_once(name, text, options, include, form, instance)
    given = tuple(options)
    while made.code is None and (missing := _unasked(made.log, given)):
        given = (*missing, *given)
        made = _compile_once(name, text, given, include, form, instance)
    return made if made.code is not None else first


def _unasked(log: str, given: Sequence[str]) -> list[str]:
    """Options, beyond those given, for what the log says is undefined."""
    undefined = set(re.findall(r'identifier "(\w+)" is undefined', log))
    wanted = [option for pattern, option in UNASKED if any(re.fullmatch(pattern, one) for one in undefined)]
    return [option for option in wanted if option not in given]


def _compile_once(
    name: str, text: str, options: Sequence[str], include: Sequence[str], form: Form, instance: str
) -> Compilation:
    _, nvrtc = modules()
    _, program = nvrtc.nvrtcCreateProgram(text.encode(errors="replace"), name.encode(), 0, [], [])
    try:
        if instance:
            nvrtc.nvrtcAddNameExpression(program, instance.encode())
        said = [option.encode() for option in (*options, *(f"--include-path={folder}" for folder in include))]
        (failed,) = nvrtc.nvrtcCompileProgram(program, len(said), said)
        log = _log(nvrtc, program)
        if failed == nvrtc.nvrtcResult.NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID and not log:
            log = f"{name}: error: no kernel {instance} can be made of it"
        if int(failed):
            return Compilation(None, log or f"{name}: error: NVRTC: {nvrtc.nvrtcGetErrorString(failed)[1].decode()}")
        if instance:
            wrong, mangled = nvrtc.nvrtcGetLoweredName(program, instance.encode())
            if int(wrong):
                return Compilation(None, f"{name}: error: no kernel {instance} can be made of it")
            log = f"{SYMBOL_OF} {instance}: {mangled.decode()}\n{log}"
        ptx = _made(program, nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX).rstrip(b"\0")
        code = _made(program, nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN) if form == "cubin" else ptx
        return Compilation(code, log, ptx)
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _made(program: Any, size_of: Callable[[Any], tuple[Any, int]], write: Callable[[Any, bytearray], Any]) -> bytes:
    made = bytearray(size_of(program)[1])
    write(program, made)
    return bytes(made)


def _log(nvrtc: Any, program: Any) -> str:
    """What it said, without its NUL separators and without how long ptxas took, which differs every time."""
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = bytearray(size)
    nvrtc.nvrtcGetProgramLog(program, log)
    lines = bytes(log).decode(errors="replace").replace("\0", "\n").splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip() and "Compile time =" not in line)


def options_text(unit: Unit, include: Sequence[Path], form: Form = "cubin") -> str:
    """Everything that changes what comes out, the folders aside (their headers are hashed)."""
    return f"nvrtc {form} {options_of(unit, form)} {unit.instance} folders={len(include)}"


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
