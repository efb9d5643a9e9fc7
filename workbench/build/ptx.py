"""PTX, for what executes it: what a cubin was made from, else compiled when the cache does not hold it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from workbench.build import cache, toolkit, triton_source
from workbench.build.headers import SourceReader
from workbench.build.nvrtc import STANDARD, Compilation, modules, ptx_of
from workbench.build.units import Binary, CompileFailure, Unit


def ptx_of_units(units: Iterable[Unit]) -> dict[Unit, Binary | CompileFailure]:
    """Each unit's PTX, with the lines of its source. Raises Problem where there is no compiler or no such source."""
    reader = SourceReader()
    return {unit: _ptx(unit, reader) for unit in dict.fromkeys(units)}


def ptx_entry(unit: Unit, reader: SourceReader) -> Path:
    """Where the cache keeps a unit's PTX, whoever compiles it first: to PTX alone, or to a cubin."""
    source = unit.found_source()
    if unit.function:
        identity: list[bytes | str] = [*triton_source.identity(unit), reader.text(source)]
    else:
        identity = [repr(_options(unit)), toolkit.nvrtc_version(), toolkit.device_headers()]
        identity += reader.identity(source, unit.project_folders())
    return cache.entry(cache.digest(["ptx", *identity]), ".ptx")


def publish_ptx(scratch: Path, target: Path, log: str) -> None:
    """Makes PTX appear in the cache, after what its compiler says of launches."""
    cache.write_text(target.with_suffix(".log"), log)
    cache.publish(scratch, target)


def _ptx(unit: Unit, reader: SourceReader) -> Binary | CompileFailure:
    refused = triton_source.refused(unit)
    if refused is not None:
        return refused
    target = ptx_entry(unit, reader)
    log = cache.read_text(target.with_suffix(".log"))
    if log is not None and cache.is_sound(target):
        return Binary(target, True, log)
    scratch = cache.scratch_path(target)
    try:
        made = _compiled(unit, reader, scratch)
        if made.code is None:
            return CompileFailure(unit, made.log)
        publish_ptx(scratch, target, made.log)
    finally:
        scratch.unlink(missing_ok=True)
    return Binary(target, False, made.log)


def _compiled(unit: Unit, reader: SourceReader, target: Path) -> Compilation:
    source = unit.found_source()
    if unit.function:
        return triton_source.compile_triton(unit, source, ptx=target)
    folders = (*unit.project_folders(), *toolkit.device_folders())
    options = [*_options(unit), *(f"--include-path={folder}" for folder in folders)]
    made = compile_ptx(str(source), reader.text(source), options)
    target.write_bytes(made.code or b"")
    return made


def _options(unit: Unit) -> list[str]:
    return [
        f"--gpu-architecture={unit.arch.replace('sm_', 'compute_')}",
        f"--std={STANDARD}",
        "--generate-line-info",
        *(f"--define-macro={name}={value}" for name, value in unit.macros()),
    ]


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
        return Compilation(ptx_of(program), said)
    finally:
        nvrtc.nvrtcDestroyProgram(program)
