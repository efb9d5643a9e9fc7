"""The machine code in three real reports, run again: each counter of each instruction as Nsight Compute has it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.problem import Problem
from workbench.simulate.launch import Counts, Options, simulate
from workbench.simulate.memory import Memory
from workbench.simulate.report import embedded_cubins
from workbench.simulate.sass.cubin import kernels_of
from workbench.simulate.sass.lower import Lowered, load_kernel

REPORTS = Path(__file__).parents[3] / "shared" / "fixtures" / "ncu"
needs_reports = pytest.mark.skipif(not REPORTS.is_dir(), reason=f"no reports at {REPORTS}")

BY_INSTRUCTION = {
    "inst_executed": "executed", "thread_inst_executed": "threads", "thread_inst_executed_true": "threads_on",
    "memory_l2_theoretical_sectors_global": "sectors", "memory_l2_theoretical_sectors_global_ideal": "sectors_ideal",
    "memory_l1_tag_requests_global": "tags", "memory_l1_wavefronts_shared": "wavefronts",
    "memory_l1_wavefronts_shared_ideal": "wavefronts_ideal",
}  # fmt: skip


@dataclass(frozen=True)
class Launch:
    report: str
    place: int
    """Of the launch in its report."""
    kernel: str
    size: int
    """The matrices are so many by so many."""
    blocks: int
    """How many of its blocks are run; all of them are alike."""
    cached: bool
    """Caches are modelled: the whole grid must run."""


LAUNCHES = {
    "naive": Launch("rtx4060_128_01_naive", 0, "naive_matmul", 128, 16, True),
    "vectorize": Launch("rtx4060_128_07_vectorize", 0, "vectorize", 128, 1, True),
    "coalesce": Launch("rtx4060_1024_02_coalesce_memory", 1, "coalesce_matmul", 1024, 16, False),
}


class Measured:
    """What the report holds of one launch."""

    def __init__(self, launch: Launch) -> None:
        ncu_report = pytest.importorskip("ncu_report")
        self._context = ncu_report.load_report(str(REPORTS / f"{launch.report}.ncu-rep"))
        self._action = self._context.range_by_idx(0).action_by_idx(launch.place)
        self._first = min(self._by_address("inst_executed"))

    def _by_address(self, name: str) -> dict[int, int]:
        metric = self._action.metric_by_name(name)
        if metric is None or not metric.has_correlation_ids():
            return {}
        ids = metric.correlation_ids()
        found: dict[int, int] = {}
        for k in range(metric.num_instances()):
            found[ids.as_uint64(k)] = found.get(ids.as_uint64(k), 0) + int(metric.as_uint64(k))
        return found

    def by_instruction(self, name: str) -> dict[int, int]:
        return {address - self._first: value for address, value in self._by_address(name).items()}

    def value(self, name: str) -> int:
        return int(self._action.metric_by_name(name).value())

    def dims(self, what: str) -> list[int]:
        return [self.value(f"launch__{what}_dim_{axis}") for axis in "xyz"]


@dataclass(frozen=True)
class Ran:
    launch: Launch
    measured: Measured
    lowered: Lowered
    counts: Counts
    times: int
    """Blocks of the grid per block that was run."""
    error: float
    """Largest difference from the product in float64, where the whole grid was run."""

    def total(self, counter: str, *opcodes: str) -> int:
        column: Any = self.counts[counter]
        return self.times * sum(int(column[k]) for k, line in enumerate(self.lowered.lines) if line.base in opcodes)


@pytest.fixture(scope="module", params=list(LAUNCHES))
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    launch = LAUNCHES[request.param]
    if not REPORTS.is_dir():
        pytest.skip(f"no reports at {REPORTS}")
    measured = Measured(launch)
    cubin = tmp_path_factory.mktemp("report") / "kernel.cubin"
    cubin.write_bytes(embedded_cubins(REPORTS / f"{launch.report}.ncu-rep")[0])
    lowered = load_kernel(cubin, next(name for name in kernels_of(cubin) if launch.kernel in name))
    grid, block = measured.dims("grid"), measured.dims("block")
    blocks = int(np.prod(grid))
    random = np.random.default_rng(1)
    a, b, c = (random.standard_normal((launch.size, launch.size)).astype(np.float32) for _ in range(3))
    memory = Memory()
    memory.put("a", a), memory.put("b", b), memory.put("c", c, writable=True)
    pointers = (memory.address(name) or 0 for name in "abc")
    per_sm = min(measured.value(f"launch__occupancy_limit_{what}") for what in ("registers", "warps", "shared_mem"))
    caches: dict[str, Any] = {}
    if launch.cached:  # 24 multiprocessors, 128 KiB each less what is shared memory, 32 MiB of L2
        first = 128 * 1024 - measured.value("launch__shared_mem_config_size")
        caches = {"first_cache_bytes": first, "second_cache_bytes": 32 << 20}
    options = Options(
        block_count=launch.blocks, block_stride=blocks // launch.blocks, multiprocessors=24, resident=24 * per_sm,
        quantum=40, **caches,
    )  # fmt: skip
    parameters = struct.pack("<QQQiff", *pointers, launch.size, 1.0, 0.5)
    counts = simulate(lowered.program, grid, block, parameters, memory, options=options)
    error = float(np.abs(memory.array("c") - (a.astype(np.float64) @ b + 0.5 * c)).max())
    return Ran(launch, measured, lowered, counts, blocks // launch.blocks, error if launch.blocks == blocks else 0.0)


@needs_reports
def test_every_counter_of_every_instruction(ran: Ran) -> None:
    addresses = [line.address for line in ran.lowered.lines]
    assert sorted(ran.measured.by_instruction("inst_executed")) == addresses
    for name, counter in BY_INSTRUCTION.items():
        measured = ran.measured.by_instruction(name)
        mine = {at: ran.times * int(n) for at, n in zip(addresses, ran.counts[counter], strict=True) if at in measured}
        assert mine == measured, name


@needs_reports
def test_counters_of_the_whole_kernel(ran: Ran) -> None:
    value = ran.measured.value
    assert ran.total("executed", "BRA", "CALL", "BSYNC", "EXIT") == value("smsp__inst_executed_op_branch.sum")
    assert ran.total("sectors", "LDG") == value("l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum")
    for opcode, name in (("LDS", "ld"), ("STS", "st")):
        conflicts = ran.total("wavefronts", opcode) - ran.total("wavefronts_ideal", opcode)
        assert conflicts == value(f"l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_{name}.sum")


@needs_reports
def test_the_result_is_the_product(ran: Ran) -> None:
    assert ran.error < 1e-4


@needs_reports
def test_the_model_of_caches(ran: Ran) -> None:
    if not ran.launch.cached:
        pytest.skip("caches need the whole grid, which is too large here")
    misses = ran.total("sectors", "LDG") - ran.total("l1_hits", "LDG")
    measured = ran.measured.value("l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum")
    assert abs(misses - measured) <= (0.15 if ran.launch.kernel == "vectorize" else 0.01) * measured
    reads = ran.measured.value("lts__t_sectors_srcunit_tex_op_read_lookup_miss.sum")
    assert abs(ran.counts.cache["l2_reads"] - ran.counts.cache["l2_hits"] - reads) <= 0.02 * reads


@needs_reports
def test_the_machine_code_of_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    cubin = tmp_path / "kernel.cubin"
    cubin.write_bytes(embedded_cubins(REPORTS / "v100_mpas_baseline.ncu-rep")[0])
    name = next(name for name in kernels_of(cubin) if name.startswith("reductions"))
    with pytest.raises(Problem, match="SM70") as refused:
        load_kernel(cubin, name)
    assert "\n" not in str(refused.value)


@needs_reports
def test_a_report_cut_inside_its_cubin_gives_one_line(tmp_path: Path) -> None:
    whole = (REPORTS / "rtx4060_128_01_naive.ncu-rep").read_bytes()
    cut = tmp_path / "cut.ncu-rep"
    for size in (0, 100, 330, 5000):
        cut.write_bytes(whole[:size])
        with pytest.raises(Problem) as refused:
            embedded_cubins(cut)
        assert "\n" not in str(refused.value)
