"""One launch of a report: what it measured, and how the simulator runs it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.devices import archs
from workbench.foreign import reading
from workbench.problem import Problem
from workbench.profile.read_report import compressed
from workbench.profile.report_blocks import read_blocks
from workbench.simulate.launch import Options
from workbench.simulate.program import Program
from workbench.simulate.report import embedded_cubins
from workbench.simulate.sass.cubin import kernels_of
from workbench.simulate.sass.lower import load_kernel
from workbench.temporary import temporary_folder

BY_INSTRUCTION = {
    "inst_executed": "executed", "thread_inst_executed": "threads", "thread_inst_executed_true": "threads_on",
    "memory_l2_theoretical_sectors_global": "sectors", "memory_l2_theoretical_sectors_global_ideal": "sectors_ideal",
    "memory_l1_tag_requests_global": "tags", "memory_l1_wavefronts_shared": "wavefronts",
    "memory_l1_wavefronts_shared_ideal": "wavefronts_ideal", "smsp__branch_targets_threads_divergent": "divergent",
}  # fmt: skip
"""The report's metric with a value per instruction → the simulator's counter."""

RUN_WHOLE = 20_000_000
"""Warp instructions up to which the whole grid is run, with a model of caches; a larger one is sampled."""
L1_AND_SHARED = 28 << 10
"""Bytes that an SM's first-level cache has beyond the most that shared memory may take."""
OLDEST = 80
"""sm_80: the first architecture whose machine code is read."""


def launch_of_report(report: Path, number: int) -> Measured:
    """One launch, by its number. Raises Problem where there is none."""
    launches = launches_of_report(report)
    if not launches:
        raise Problem(f"{report}: a report with no kernel in it; profile again")
    if not 0 <= number < len(launches):
        raise Problem(f"--launch {number}: {report} has {len(launches)} launches, the first is 0", 2)
    return launches[number]


def launches_of_report(report: Path) -> list[Measured]:
    """Every launch, in order. Raises Problem for what is no report, or a part of one: NVIDIA's reader takes what it
    finds of a file that was cut short."""
    with reading(report, "not as Nsight Compute writes its reports", "copy it again, or profile again"):
        if not report.is_file():
            raise FileNotFoundError(2, "No such file", str(report))
        if not compressed(report):
            read_blocks(report)
        context = _reader().load_report(str(report))
        ranges = [context.range_by_idx(k) for k in range(context.num_ranges())]
        return [Measured(context, one.action_by_idx(k)) for one in ranges for k in range(one.num_actions())]


def _reader() -> Any:
    import ncu_report

    return ncu_report


def opcode_of(text: str) -> str:
    """`LDG.E` of `@!P0 LDG.E R2, desc[UR4][R2.64]`."""
    words = text.split()
    return words[words[0].startswith("@")].rstrip(";") if words else ""


class Measured:
    """What the report holds of one launch."""

    def __init__(self, context: Any, action: Any) -> None:
        """As NVIDIA's reader gives it; the context is kept because the action lives in it."""
        from workbench.profile.launches import record_ranges

        self._context, self._action = context, action
        self.kernel = str(action.name(_reader().IAction.NameBase_MANGLED))
        self.keys = record_ranges(action)
        """The records whose ranges it ran in."""
        self.grid, self.block = self._dims("grid"), self._dims("block")
        self.dynamic_shared = int(self.value("launch__shared_mem_per_block_dynamic") or 0)

    @property
    def arch(self) -> str:
        """The device's, such as `sm_90`."""
        major, minor = (self.number(f"device__attribute_compute_capability_{part}") for part in ("major", "minor"))
        return f"sm_{major}{minor}"

    def value(self, name: str) -> float | None:
        metric = self._action.metric_by_name(name)
        return None if metric is None or not isinstance(metric.value(), int | float) else float(metric.value())

    def number(self, name: str) -> int:
        """A figure of the launch that must be there."""
        found = self.value(name)
        if found is None:
            raise Problem(f"the report lacks {name}: profile with --set full")
        return int(found)

    def _dims(self, what: str) -> tuple[int, int, int]:
        x, y, z = (self.number(f"launch__{what}_dim_{axis}") for axis in "xyz")
        return x, y, z

    def by_instruction(self, name: str) -> dict[int, int]:
        """Value by the address of the instruction, the kernel's first being 0; empty where the report has none."""
        metric, first = self._action.metric_by_name(name), self._action.metric_by_name("inst_executed")
        if metric is None or first is None or not metric.has_correlation_ids() or not first.num_instances():
            return {}
        start = min(first.correlation_ids().as_uint64(k) for k in range(first.num_instances()))
        ids = metric.correlation_ids()
        found: dict[int, int] = {}
        for k in range(metric.num_instances()):
            at = ids.as_uint64(k) - start
            found[at] = found.get(at, 0) + int(metric.as_uint64(k))
        return found

    def opcodes(self) -> dict[int, str]:
        """Opcode with its modifiers by the address of the instruction, the kernel's first being 0."""
        first = self._action.metric_by_name("inst_executed")
        if first is None or not first.num_instances():
            return {}
        ids = first.correlation_ids()
        places = sorted({ids.as_uint64(k) for k in range(first.num_instances())})
        return {at - places[0]: opcode_of(str(self._action.sass_by_pc(at))) for at in places}

    def resident(self) -> int:
        """Blocks that the device has at a time."""
        limits = (
            self.value(f"launch__occupancy_limit_{what}") for what in ("registers", "warps", "shared_mem", "blocks")
        )
        per_sm = int(min((limit for limit in limits if limit), default=1))
        return per_sm * self.number("device__attribute_multiprocessor_count")

    def options(self) -> Options:
        """How the launch is run: small ones whole, with the device's caches."""
        if (self.value("smsp__inst_executed.sum") or 0) > RUN_WHOLE:
            return Options(sample=True)
        sms = self.number("device__attribute_multiprocessor_count")
        most = self.number("device__attribute_max_shared_memory_per_multiprocessor") + L1_AND_SHARED
        config = int(self.value("launch__shared_mem_config_size") or 0)
        second = int(self.value("device__attribute_l2_cache_size") or 0)
        if not second:
            return Options(resident=self.resident() // sms)
        known = archs().get(self.arch)
        return Options(
            resident=self.resident(), multiprocessors=sms, quantum=40,
            first_cache_bytes=max(L1_AND_SHARED, most - config), second_cache_bytes=second,
            second_cache_partitions=known.l2_partitions if known else 1,
        )  # fmt: skip


class Programs:
    """The kernels of a report as programs, each read from its cubins when it is asked for."""

    def __init__(self, report: Path) -> None:
        """Raises Problem for what is no report."""
        self._report = report
        self._cubins = list(dict.fromkeys(embedded_cubins(report)))
        self._read: dict[str, list[Program]] = {}

    def of(self, measured: Measured) -> Program:
        """Of those with the launch's name the one whose instructions are those that were counted: there may be several,
        compiled for other types or tiles. The only one of a name is taken as it is. Raises Problem."""
        if measured.kernel not in self._read:
            self._read[measured.kernel] = self._named(measured.kernel)
        programs = self._read[measured.kernel]
        known = measured.opcodes()
        for program in programs:
            if len(programs) == 1 or {i.address: opcode_of(i.text) for i in program.instructions} == known or not known:
                return program
        raise Problem(
            f"{self._report}: {len(programs)} cubins in it have kernel {measured.kernel}, none with the instructions "
            "that were counted"
        )

    def _named(self, kernel: str) -> list[Program]:
        known: list[str] = []
        found: list[Program] = []
        with temporary_folder() as folder:
            for number, code in enumerate(self._cubins):
                path = folder / f"{number}.cubin"
                path.write_bytes(code)
                kernels = kernels_of(path)
                known += kernels
                if kernel not in kernels:
                    continue
                arch = kernels[kernel].arch
                if int(arch.removeprefix("sm_")) < OLDEST:
                    raise Problem(f"{self._report}: {kernel} is machine code of {arch}; it is read from sm_{OLDEST} on")
                found.append(load_kernel(path, kernel).program)
        if not found:
            raise Problem(f"{self._report}: no cubin in it has kernel {kernel}; there are {', '.join(known[:6])}")
        return found
