"""CUDA C++ → PTX, for what executes PTX: by NVRTC, each unit only when the cache does not hold it."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.build import cache, toolkit
from workbench.build.headers import SourceReader
from workbench.build.nvrtc import compile_cuda, options_of, options_text
from workbench.build.units import Binary, CompileFailure, Unit
from workbench.problem import Problem


def ptx_of_units(units: Iterable[Unit]) -> dict[Unit, Binary | CompileFailure]:
    """Each unit's PTX, with the lines of its source. Raises Problem where there is no compiler or no such source."""
    reader = SourceReader()
    return {unit: _ptx(unit, reader) for unit in dict.fromkeys(units)}


def _ptx(unit: Unit, reader: SourceReader) -> Binary | CompileFailure:
    if unit.function:
        raise Problem(f"{unit.source.name}: PTX that Triton makes is not executed; its machine code is")
    source = unit.found_source()
    project = unit.project_folders()
    folders = (*project, *toolkit.device_folders())
    identity = [options_text(unit, folders, "ptx"), toolkit.nvrtc_version(), toolkit.device_headers()]
    target = cache.entry(cache.digest([*identity, *reader.identity(source, project)]), ".ptx")
    log = cache.read_text(target.with_suffix(".log"))
    if log is not None and cache.is_sound(target):
        return Binary(target, True, log)
    text = reader.text(source).decode(errors="replace")
    made = compile_cuda(str(source), text, options_of(unit, "ptx"), list(map(str, folders)), "ptx", unit.instance)
    if made.code is None:
        return CompileFailure(unit, made.log)
    scratch = cache.scratch_path(target)
    try:
        scratch.write_bytes(made.code)
        cache.write_text(target.with_suffix(".log"), made.log)
        cache.publish(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)
    return Binary(target, False, made.log)
