"""PTX, for what executes it: what a cubin was made from, else compiled when the cache does not hold it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from workbench.compile import cache, toolkit, triton_source
from workbench.compile.headers import SourceReader
from workbench.compile.nvrtc import Compilation, compile_cuda, options_of, options_text
from workbench.compile.units import Binary, CompileFailure, Unit


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
        identity = [options_text(unit, _folders(unit), "ptx"), toolkit.nvrtc_version(), toolkit.device_headers()]
        identity += reader.identity(source, unit.project_folders())
    return cache.entry(cache.digest(["ptx", *identity]), ".ptx")


def publish_ptx(scratch: Path, target: Path, log: str) -> None:
    """Makes PTX appear in the cache, after what its compiler says of names and launches."""
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
    with cache.scratch_file(target) as scratch:
        made = _compiled(unit, reader, scratch)
        if made.code is None:
            return CompileFailure(unit, made.log)
        publish_ptx(scratch, target, made.log)
    return Binary(target, False, made.log)


def _compiled(unit: Unit, reader: SourceReader, target: Path) -> Compilation:
    source = unit.found_source()
    if unit.function:
        return triton_source.compile_triton(unit, source, ptx=target)
    text = reader.text(source).decode(errors="replace")
    include = [str(folder) for folder in _folders(unit)]
    made = compile_cuda(str(source), text, options_of(unit, "ptx"), include, "ptx", unit.instance)
    target.write_bytes(made.code or b"")
    return made


def _folders(unit: Unit) -> tuple[Path, ...]:
    return (*unit.project_folders(), *toolkit.device_folders())
