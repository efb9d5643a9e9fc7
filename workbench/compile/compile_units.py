"""Compiles units, several at once, each only when the cache does not hold it."""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from workbench.compile import cache, toolkit, triton_source
from workbench.compile.facts import prepare_facts
from workbench.compile.headers import SourceReader
from workbench.compile.host import HOST_FLAGS, SLOW_HEADERS, compile_host, compiler_identity, host_compiler
from workbench.compile.messages import first_errors
from workbench.compile.nvrtc import Compilation, compile_cuda, options_of, options_text
from workbench.compile.ptx import ptx_entry, publish_ptx
from workbench.compile.units import HOST, Binary, CompileFailure, NoSource, Unit
from workbench.compile.worker import Worker
from workbench.problem import Problem, SourceError

Built = Binary | CompileFailure
Progress = Callable[[Unit, Built], None]

PART = 16
"""Fewest cubins that are disassembled together while others wait: about as much work as nvdisasm's start."""


@dataclass(frozen=True)
class _Task:
    """A unit with everything that goes into its compilation."""

    unit: Unit
    source: Path
    text: str
    flags: tuple[str, ...]
    include: tuple[Path, ...]
    target: Path
    slow: tuple[str, ...] = ()
    """Which of SLOW_HEADERS the source includes, directly or not."""
    ptx: Path | None = None
    """Where the cache keeps the PTX that a cubin was made from."""


def build_units(units: Iterable[Unit], jobs: int | None = None, progress: Progress | None = None) -> dict[Unit, Built]:
    """Compiles every unit (each once), `jobs` at a time (default: as many as there are cores).

    A unit that does not compile becomes a CompileFailure and the others go on. `progress` is called in this thread,
    once a unit, as it is finished. Raises Problem when there is no compiler, a source is missing, or the cache
    cannot be written. Safe to run in several processes at once: both may compile the same unit, and either's result
    serves.
    """
    reader = SourceReader()
    results: dict[Unit, Built] = {}
    tasks: dict[Path, list[_Task]] = {}

    def finished(unit: Unit, built: Built) -> None:
        results[unit] = built
        if progress is not None:
            progress(unit, built)

    for unit in dict.fromkeys(units):
        refused = triton_source.refused(unit)
        if refused is not None:
            finished(unit, refused)
            continue
        try:
            task = _task(unit, reader)
        except NoSource as problem:
            finished(unit, CompileFailure(unit, f"error: {problem}"))
            continue
        log = cache.read_text(_log_path(task.target))
        if log is not None and cache.is_sound(task.target):
            finished(unit, Binary(task.target, True, log))
        else:
            tasks.setdefault(task.target, []).append(task)
    if not tasks:
        return results

    workers = min(jobs or _cores(), len(tasks))
    cuda = sum(1 for group in tasks.values() if _is_cuda(group[0].unit) and not group[0].unit.function)
    pool = _Compilers(min(workers, cuda))
    try:
        with ThreadPoolExecutor(workers) as threads:
            futures = {threads.submit(_compile, group[0], pool): group for group in tasks.values()}
            try:
                for future in as_completed(futures):
                    built = future.result()
                    for task in futures[future]:  # units of the same content share one binary
                        if isinstance(built, CompileFailure):
                            finished(task.unit, CompileFailure(task.unit, built.message, built.log))
                        else:
                            finished(task.unit, built)
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
    finally:
        pool.close()
    _prepare_facts(results, workers)
    return results


def _prepare_facts(results: Mapping[Unit, Built], workers: int) -> None:
    """Works out the facts of what was just compiled, in a few large parts: nvdisasm's start is most of their cost."""
    by_arch: dict[tuple[str, bool], list[Binary]] = {}
    for unit, built in results.items():
        if _is_cuda(unit) and isinstance(built, Binary) and not built.cached:
            # Triton compiles for sm_90a where others are for sm_90: not to be disassembled as one.
            by_arch.setdefault((unit.arch, bool(unit.function)), []).append(built)
    share = max(PART, -(-sum(map(len, by_arch.values())) // workers))
    parts = [made[at : at + share] for made in by_arch.values() for at in range(0, len(made), share)]
    with ThreadPoolExecutor(max(1, min(workers, len(parts)))) as threads:
        for future in [threads.submit(prepare_facts, part) for part in parts]:
            # A missing tool is no reason not to build: whoever asks for the facts is told.
            with contextlib.suppress(Problem):
                future.result()


def build_unit(unit: Unit) -> Built:
    """One unit, in this process."""
    return build_units([unit], jobs=1)[unit]


def build_or_raise(
    units: Iterable[Unit], what: str = "does not compile", error: type[Exception] = SourceError
) -> dict[Unit, Binary]:
    """Every unit's binary, one after the other. Raises `error` with `what` and the compiler's first errors where one
    does not compile: SourceError costs the variant that is being run its record."""
    return all_built(build_units(units, jobs=1), what, error)


def all_built(
    outcomes: Mapping[Unit, Built], what: str = "does not compile", error: type[Exception] = SourceError
) -> dict[Unit, Binary]:
    """The binaries, where every unit has one; else raises `error` as `build_or_raise` does, which this is for units
    that something else than `build_units` compiled."""
    binaries = {}
    for unit, built in outcomes.items():
        if isinstance(built, CompileFailure):
            raise error(f"{what}: {first_errors(built)}")
        binaries[unit] = built
    return binaries


def _is_cuda(unit: Unit) -> bool:
    return unit.arch != HOST


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Compilers:
    """Lends NVRTC processes to threads; with one unit at a time, NVRTC is called in this process."""

    def __init__(self, count: int) -> None:
        self._in_process = count <= 1
        self._idle: queue.SimpleQueue[Worker | None] = queue.SimpleQueue()
        self._started: list[Worker] = []
        for _ in range(count):
            self._idle.put(None)  # a place for a worker, started when first needed

    def compile(self, task: _Task, target: Path) -> Compilation:
        include = [str(folder) for folder in task.include]
        arguments = (str(task.source), task.text, options_of(task.unit, "cubin"), include)
        if self._in_process:
            made = compile_cuda(*arguments, instance=task.unit.instance)
            if made.code is not None:
                target.write_bytes(made.code)
                target.with_suffix(".ptx").write_bytes(made.ptx)
            return made
        worker = self._idle.get()
        try:
            if worker is None or not worker.alive:
                worker = Worker()
                self._started.append(worker)
            return worker.compile(*arguments, task.unit.instance, target)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        for worker in self._started:
            worker.close()


def _task(unit: Unit, reader: SourceReader) -> _Task:
    source = unit.found_source()
    project = unit.project_folders()
    if unit.function:
        key = cache.digest([*triton_source.identity(unit), reader.text(source)])
        return _Task(unit, source, "", (), (), cache.entry(key, ".cubin"), ptx=ptx_entry(unit, reader))
    if _is_cuda(unit):
        include = (*project, *toolkit.device_folders())
        identity = [options_text(unit, include), toolkit.nvrtc_version(), toolkit.device_headers()]
        flags: tuple[str, ...] = ()
        slow: tuple[str, ...] = ()
        suffix = ".cubin"
    else:
        include, flags = tuple(project), (*HOST_FLAGS, *unit.options)
        identity = [unit.arch, repr(flags), repr(unit.macros()), compiler_identity(host_compiler(), flags)]
        read = {name for file in (source, *reader.headers(source, project)) for name in reader.includes(file)}
        slow = tuple(name for name in SLOW_HEADERS if name in read)
        suffix = ".so"
    target = cache.entry(cache.digest([*identity, *reader.identity(source, project)]), suffix)
    text = reader.text(source).decode(errors="replace")
    ptx = ptx_entry(unit, reader) if _is_cuda(unit) else None
    return _Task(unit, source, text, flags, include, target, slow, ptx)


def _compile(task: _Task, compilers: _Compilers) -> Built:
    scratch = cache.scratch_path(task.target)
    ptx = scratch.with_suffix(".ptx")
    try:
        if task.unit.function:
            made = triton_source.compile_triton(task.unit, task.source, scratch, ptx)
        else:
            made = (
                compilers.compile(task, scratch)
                if _is_cuda(task.unit)
                else compile_host(task.unit, task.source, task.flags, task.include, task.slow, scratch)
            )
        if made.code is None:
            return CompileFailure(
                task.unit, made.log, cache.write_message(task.target.with_suffix(".failed.txt"), made.log)
            )
        if task.ptx is not None:
            publish_ptx(ptx, task.ptx, made.log)
        # The binary last: where it is, its log is.
        cache.write_text(_log_path(task.target), made.log)
        cache.publish(scratch, task.target)
        return Binary(task.target, False, made.log)
    finally:
        scratch.unlink(missing_ok=True)
        ptx.unlink(missing_ok=True)


def _log_path(binary: Path) -> Path:
    return binary.with_suffix(".log")
