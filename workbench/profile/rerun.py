"""The machine code that a report carries, run again by the simulator and held against what was measured."""

from __future__ import annotations

import itertools
import re
import resource
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from workbench.foreign import reading
from workbench.problem import Problem
from workbench.simulate.blocks import run_launch
from workbench.simulate.counters import Level, Standing, figures
from workbench.simulate.launch import Counts, Options, SimulationFault
from workbench.simulate.memory import Memory
from workbench.simulate.program import Program
from workbench.simulate.report import embedded_cubins
from workbench.simulate.sass.cubin import kernels_of
from workbench.simulate.sass.lower import load_kernel

BY_INSTRUCTION = {
    "inst_executed": "executed", "thread_inst_executed": "threads", "thread_inst_executed_true": "threads_on",
    "memory_l2_theoretical_sectors_global": "sectors", "memory_l2_theoretical_sectors_global_ideal": "sectors_ideal",
    "memory_l1_tag_requests_global": "tags", "memory_l1_wavefronts_shared": "wavefronts",
    "memory_l1_wavefronts_shared_ideal": "wavefronts_ideal",
}  # fmt: skip
"""The report's metric with a value per instruction → the simulator's counter."""

RUN_WHOLE = 20_000_000
"""Warp instructions up to which the whole grid is run, with a model of caches; a larger one is sampled."""
L1_AND_SHARED = 28 << 10
"""Bytes that an SM's first-level cache has beyond the most that shared memory may take."""
GUESSED_BYTES = 16 << 20
MOST_TRIALS = 2000
MODEL_MARGIN = 0.02


_OF_FLOATS = re.compile(r"sass\.(ffma|fmul|fadd|fsetp|fmnmx|fsel|mufu)")


class RerunStation:
    """Lives in a worker process."""

    def __init__(self, memory_bytes: int) -> None:
        limit = psutil.Process().memory_info().vms + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def run(self, report: str, number: int, arguments: tuple[str, ...]) -> dict[str, Any]:
        return rerun(Path(report), number, arguments)


def rerun(report: Path, number: int, arguments: Sequence[str]) -> dict[str, Any]:
    """Runs a report's launch again, with these arguments (128, 0.5, `buffer:BYTES`) or with guessed ones; every
    counter, measured and simulated. Raises Problem."""
    measured = _Measured(report, number)
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        program = _program(report, measured.kernel, Path(folder))
    launch = _Launch(program, measured)
    guessed = not arguments
    chosen = launch.guess() if guessed else list(arguments)
    counts = launch.run(launch.pack(chosen), measured.options())
    counters = [*_per_instruction(measured, counts), *_whole(measured, counts)]
    return {
        "kernel": program.name, "arguments": chosen, "guessed": guessed, "counters": counters,
        "blocks": counts.sampled or "every block was run",
        "differences": [c["name"] for c in counters if not c["agrees"] and c["standing"] != Standing.CACHE_MODEL],
    }  # fmt: skip


class _Measured:
    """What the report holds of one launch."""

    def __init__(self, report: Path, number: int) -> None:
        with reading(report, "not as Nsight Compute writes its reports", "copy it again, or profile again"):
            import ncu_report

            if not report.is_file():
                raise FileNotFoundError(2, "No such file", str(report))
            self._context = ncu_report.load_report(str(report))
            ranges = [self._context.range_by_idx(k) for k in range(self._context.num_ranges())]
            actions = [one.action_by_idx(k) for one in ranges for k in range(one.num_actions())]
            if not 0 <= number < len(actions):
                raise Problem(f"--launch {number}: {report} has {len(actions)} launches, the first is 0", 2)
            self._action = actions[number]
            self.kernel = str(self._action.name(ncu_report.IAction.NameBase_MANGLED))

    def value(self, name: str) -> float | None:
        metric = self._action.metric_by_name(name)
        return None if metric is None or not isinstance(metric.value(), int | float) else float(metric.value())

    def number(self, name: str) -> int:
        """A figure of the launch that must be there."""
        found = self.value(name)
        if found is None:
            raise Problem(f"the report lacks {name}: profile with --set full")
        return int(found)

    def dims(self, what: str) -> tuple[int, int, int]:
        x, y, z = (self.number(f"launch__{what}_dim_{axis}") for axis in "xyz")
        return x, y, z

    def by_instruction(self, name: str) -> dict[int, int]:
        """Value by the address of the instruction, the kernel's first being 0; empty where the report has none."""
        metric, first = self._action.metric_by_name(name), self._action.metric_by_name("inst_executed")
        if metric is None or first is None or not metric.has_correlation_ids():
            return {}
        start = min(first.correlation_ids().as_uint64(k) for k in range(first.num_instances()))
        ids = metric.correlation_ids()
        found: dict[int, int] = {}
        for k in range(metric.num_instances()):
            at = ids.as_uint64(k) - start
            found[at] = found.get(at, 0) + int(metric.as_uint64(k))
        return found

    def options(self) -> Options:
        """How the launch is run: small ones whole, with the device's caches."""
        if (self.value("smsp__inst_executed.sum") or 0) > RUN_WHOLE:
            return Options(sample=True)
        limits = (
            self.value(f"launch__occupancy_limit_{what}") for what in ("registers", "warps", "shared_mem", "blocks")
        )
        per_sm = int(min((limit for limit in limits if limit), default=1))
        sms = self.number("device__attribute_multiprocessor_count")
        most = self.number("device__attribute_max_shared_memory_per_multiprocessor") + L1_AND_SHARED
        config = int(self.value("launch__shared_mem_config_size") or 0)
        second = int(self.value("device__attribute_l2_cache_size") or 0)
        if not second:
            return Options(resident=max(1, per_sm))
        return Options(
            resident=sms * per_sm, multiprocessors=sms, quantum=40, first_cache_bytes=max(L1_AND_SHARED, most - config),
            second_cache_bytes=second,
        )  # fmt: skip


def _program(report: Path, kernel: str, folder: Path) -> Program:
    """The kernel out of the cubin that has it."""
    known: list[str] = []
    for number, code in enumerate(embedded_cubins(report)):
        path = folder / f"{number}.cubin"
        path.write_bytes(code)
        names = kernels_of(path)
        if kernel in names:
            return load_kernel(path, kernel).program
        known += names
    raise Problem(f"{report}: no cubin in it has kernel {kernel}; there are {', '.join(known[:6])}")


class _Launch:
    """A launch with memory of its own."""

    def __init__(self, program: Program, measured: _Measured) -> None:
        self._program, self._measured = program, measured
        self._grid, self._block = measured.dims("grid"), measured.dims("block")
        self._dynamic = int(measured.value("launch__shared_mem_per_block_dynamic") or 0)
        self._memory = Memory()
        self._random = np.random.default_rng(0)

    def run(self, block: bytes, options: Options) -> Counts:
        try:
            return run_launch(
                self._program, self._grid, self._block, block, self._memory, self._dynamic, options
            )  # fmt: skip
        except SimulationFault as fault:
            raise Problem(f"with these arguments the kernel fails: {fault}; give others with --argument") from None

    def pack(self, arguments: Sequence[str]) -> bytes:
        """The parameter block. Raises Problem where the arguments do not fit the kernel's parameters."""
        program = self._program
        if len(arguments) != len(program.parameters):
            sizes = ", ".join(str(size) for _, size in program.parameters)
            raise Problem(f"{program.name} takes {len(program.parameters)} arguments, of {sizes} bytes", exit_status=2)
        block = bytearray(program.parameter_bytes)
        for number, (text, (offset, size)) in enumerate(zip(arguments, program.parameters, strict=True)):
            block[offset : offset + size] = self._bytes(number, text, size)
        return bytes(block)

    def _bytes(self, number: int, text: str, size: int) -> bytes:
        if (found := re.fullmatch(r"buffer:([0-9]{1,12})", text)) and size == 8:
            name = f"argument{number + 1}"
            if name not in self._memory or self._memory.array(name).nbytes != -(-int(found[1]) // 4) * 4:
                values = self._random.random(-(-int(found[1]) // 4), np.float32)
                self._memory.put(name, values, writable=True)
            return (self._memory.address(name) or 0).to_bytes(8, "little")
        if re.fullmatch(r"-?[0-9]{1,20}", text) and -(1 << 8 * size - 1) <= int(text) < 1 << 8 * size:
            return (int(text) % (1 << 8 * size)).to_bytes(size, "little")
        if re.fullmatch(r"-?[0-9]*\.[0-9]*", text) and size in (4, 8) and text.strip("-."):
            return struct.pack("<f" if size == 4 else "<d", float(text))
        raise Problem(f"--argument {text}: does not fit parameter {number + 1}, which has {size} bytes", exit_status=2)

    def guess(self) -> list[str]:
        """Buffers for what has eight bytes, 1.0 for what only float instructions read, and for the rest the one choice
        of sizes with which each instruction of the first block is executed as often as in the mean of all blocks."""
        kinds = [self._kind(offset, size) for offset, size in self._program.parameters]
        blocks = int(np.prod(self._grid))
        wanted = self._measured.by_instruction("inst_executed")
        if not wanted or any(count % blocks for count in wanted.values()):
            raise Problem("its blocks are not alike, so nothing can be guessed: give every --argument")
        addresses = [i.address for i in self._program.instructions]
        mean = [wanted.get(at, 0) // blocks for at in addresses]
        limit = 4 * sum(mean) + 1000
        found: list[list[str]] = []
        integers = [k for k, kind in enumerate(kinds) if kind == "integer"]
        for trial, sizes in enumerate(self._sizes(len(integers))):
            if trial == MOST_TRIALS:
                break
            chosen = [kind if kind != "integer" else str(sizes[integers.index(k)]) for k, kind in enumerate(kinds)]
            options = Options(blocks=(0,), instruction_limit=limit)
            try:
                counts = run_launch(
                    self._program, self._grid, self._block, self.pack(chosen), self._memory, self._dynamic, options
                )
            except SimulationFault:
                continue
            if counts["executed"].tolist() == mean:
                found.append(chosen)
                if len(found) > 1:
                    break
        if len(found) != 1:
            many = "several choices fit" if found else "no choice fits"
            raise Problem(f"its arguments cannot be guessed ({many} its counters): give every --argument")
        return found[0]

    def _kind(self, offset: int, size: int) -> str:
        if size == 8:
            return f"buffer:{GUESSED_BYTES}"
        if size != 4:
            raise Problem(f"a parameter of {size} bytes cannot be guessed: give every --argument")
        row = self._program.file.parameter(offset)
        forms = [i.form or "" for i in self._program.instructions if row in i.operands]
        return "1.0" if forms and all(_OF_FLOATS.match(form) for form in forms) else "integer"

    def _sizes(self, count: int) -> Iterator[tuple[int, ...]]:
        """Choices for so many integers: those alike first, then all others."""
        spans = [g * b for g, b in zip(self._grid, self._block, strict=True)]
        likely = dict.fromkeys([*spans, int(np.prod(spans)), *self._grid, *self._block, *(1 << k for k in range(15))])
        for size in likely:
            yield (size,) * count
        if count > 1:
            yield from (sizes for sizes in itertools.product(likely, repeat=count) if len(set(sizes)) > 1)


def _per_instruction(measured: _Measured, counts: Counts) -> Iterator[dict[str, Any]]:
    """A row per metric that the report has by instruction: totals, and how many instructions agree."""
    addresses = [i.address for i in counts.program.instructions]
    for name, counter in BY_INSTRUCTION.items():
        known = measured.by_instruction(name)
        if not known:
            continue
        own = dict(zip(addresses, counts[counter].tolist(), strict=True))
        wrong = [at for at in known if own.get(at, 0) != known[at]]
        yield {
            "name": f"{name}, by instruction", "measured": float(sum(known.values())),
            "simulated": float(sum(own.get(at, 0) for at in known)), "standing": Standing.CONFIRMED.value,
            "agrees": not wrong,
            "verdict": f"all {len(known)} agree" if not wrong else f"{len(wrong)} of {len(known)} differ",
        }  # fmt: skip


def _whole(measured: _Measured, counts: Counts) -> Iterator[dict[str, Any]]:
    """A row per counter of the whole launch that both have."""
    for figure in figures(counts, Level.SASS):
        known = measured.value(figure.name)
        if known is None:
            continue
        apart = abs(figure.value - known) / max(abs(known), 1)
        model = figure.standing is Standing.CACHE_MODEL
        agrees = apart <= (MODEL_MARGIN if model else 0)
        verdict = "agrees" if not apart else f"{100 * (figure.value - known) / max(abs(known), 1):+.2f} %"
        yield {
            "name": figure.name, "measured": known, "simulated": figure.value, "standing": figure.standing.value,
            "agrees": agrees, "verdict": verdict + (" (model)" if model and apart else ""),
        }  # fmt: skip
