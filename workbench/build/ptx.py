"""CUDA C++ → PTX, for what executes PTX: by NVRTC, each unit only when the cache does not hold it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workbench.build import cache, toolkit
from workbench.build.headers import SourceReader
from workbench.build.nvrtc import STANDARD, Compilation, modules
from workbench.build.units import Binary, CompileFailure, Unit


def ptx_of_units(units: Iterable[Unit]) -> dict[Unit, Binary | CompileFailure]:
    """Each unit's PTX, with the lines of its source. Raises Problem where there is no compiler or no such source."""
    reader = SourceReader()
    return {unit: _ptx(unit, reader) for unit in dict.fromkeys(units)}


def _ptx(unit: Unit, reader: SourceReader) -> Binary | CompileFailure:
    source = unit.found_source()
    project = unit.project_folders()
    options = [
        f"--gpu-architecture={unit.arch.replace('sm_', 'compute_')}",
        f"--std={STANDARD}",
        "--generate-line-info",
        *(f"--define-macro={name}={value}" for name, value in unit.macros()),
    ]
    identity = ["ptx", repr(options), toolkit.nvrtc_version(), toolkit.device_headers()]
    key = cache.digest([*identity, *reader.identity(source, project)])
    target = cache.entry(key, ".ptx")
    if cache.is_sound(target):
        return Binary(target, True, "")
    folders = (*project, *toolkit.device_folders())
    options += [f"--include-path={folder}" for folder in folders]
    made = compile_ptx(str(source), reader.text(source), options)
    if made.code is None:
        return CompileFailure(unit, made.log)
    scratch = cache.scratch_path(target)
    try:
        scratch.write_bytes(made.code)
        cache.publish(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)
    return Binary(target, False, made.log)


def compile_ptx(name: str, text: bytes, options: Sequence[str]) -> Compilation:
    """Compiles one translation unit. NVRTC itself is called: cuda.core asks the driver first, and there may be none."""
    _, nvrtc = modules()
    _, program = nvrtc.nvrtcCreateProgram(text, name.encode(), 0, [], [])
    try:
        (failed,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
        _, size = nvrtc.nvrtcGetProgramLogSize(program)
        log = bytearray(size)
        nvrtc.nvrtcGetProgramLog(program, log)
        said = bytes(log).rstrip(b"\0").decode(errors="replace").strip()
        if int(failed):
            return Compilation(None, said or f"{name}: {nvrtc.nvrtcGetErrorString(failed)[1].decode()}")
        _, size = nvrtc.nvrtcGetPTXSize(program)
        code = bytearray(size)
        nvrtc.nvrtcGetPTX(program, code)
        return Compilation(bytes(code).rstrip(b"\0"), said)
    finally:
        nvrtc.nvrtcDestroyProgram(program)
