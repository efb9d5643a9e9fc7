"""Compiles units, several at once, each only when the cache does not hold it."""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from workbench.build import cache, toolkit, triton_source
from workbench.build.facts import prepare_facts
from workbench.build.headers import SourceReader
from workbench.build.host import HOST_FLAGS, compile_host, compiler_identity, host_compiler
from workbench.build.messages import first_errors
from workbench.build.nvrtc import Compilation, compile_cuda, options_of, options_text
from workbench.build.units import EMULATED, HOST, Binary, CompileFailure, NoSource, Unit
from workbench.build.worker import Worker
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
        refused = _refused(unit)
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


def _refused(unit: Unit) -> CompileFailure | None:
    """Why a Triton function is not compiled at all."""
    if not unit.function:
        return None
    if unit.arch == EMULATED:
        return CompileFailure(unit, f"{unit.source}: error: a Triton kernel is not emulated: a GPU executes it")
    lacking = triton_source.missing()
    return None if lacking is None else CompileFailure(unit, f"{unit.source}: error: {lacking}", lacking=True)


def _is_cuda(unit: Unit) -> bool:
    return unit.arch not in (HOST, EMULATED)


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
        return _Task(unit, source, "", (), (), cache.entry(key, ".cubin"))
    if _is_cuda(unit):
        include = (*project, *toolkit.device_folders())
        identity = [options_text(unit, include), toolkit.nvrtc_version(), toolkit.device_headers()]
        flags: tuple[str, ...] = ()
        suffix = ".cubin"
    else:
        if unit.arch == EMULATED:
            from workbench.emulate.flags import EMULATED_FLAGS, EMULATED_INCLUDE, EMULATED_SOURCES

            # The emulator's headers come first: they stand in for some of the toolkit's.
            include = (*EMULATED_INCLUDE, *project, *toolkit.include_folders())
            flags = EMULATED_FLAGS
            identity = [toolkit.header_versions(), *(reader.text(path).decode() for path in EMULATED_SOURCES)]
        else:
            include, flags, identity = tuple(project), (*HOST_FLAGS, *unit.options), []
        identity += [unit.arch, repr(flags), repr(unit.macros()), compiler_identity(host_compiler(), flags)]
        suffix = ".so"
    key = cache.digest([*identity, *reader.identity(source, project)])
    return _Task(unit, source, reader.text(source).decode(errors="replace"), flags, include, cache.entry(key, suffix))


def _compile(task: _Task, compilers: _Compilers) -> Built:
    scratch = cache.scratch_path(task.target)
    try:
        if task.unit.function:
            made = triton_source.compile_triton(task.unit, task.source, scratch)
        else:
            made = compilers.compile(task, scratch) if _is_cuda(task.unit) else _compile_host(task, scratch)
        if made.code is None:
            return CompileFailure(
                task.unit, made.log, cache.write_message(task.target.with_suffix(".failed.txt"), made.log)
            )
        # The binary last: where it is, its log is.
        cache.write_text(_log_path(task.target), made.log)
        cache.publish(scratch, task.target)
        return Binary(task.target, False, made.log)
    finally:
        scratch.unlink(missing_ok=True)


def _compile_host(task: _Task, scratch: Path) -> Compilation:
    if task.unit.arch == HOST:
        return compile_host(task.unit, task.source, task.flags, task.include, scratch)
    from workbench.emulate.flags import wrap

    wrapper = cache.scratch_path(task.target.with_suffix(".cpp"))
    try:
        wrapper.write_text(wrap(task.text, task.source))
        return compile_host(task.unit, wrapper, task.flags, task.include, scratch)
    finally:
        wrapper.unlink(missing_ok=True)


def _log_path(binary: Path) -> Path:
    return binary.with_suffix(".log")
