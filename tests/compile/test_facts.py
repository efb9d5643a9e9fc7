"""Resources and facts of real kernels: registers, shared memory, spills, occupancy at the launch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compile.conftest import CompileText
from workbench.compile import Unit, build_unit, facts_of, kernels_of, toolkit
from workbench.compile.units import Binary
from workbench.declare import Kernel
from workbench.problem import Problem

STATIC = """
extern "C" __global__ void tile(const float *x, float *y) {
    __shared__ float tile[1000];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x ^ 1];
}
extern "C" __global__ void dynamic(const float *x, float *y) {
    extern __shared__ float room[];
    room[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = room[threadIdx.x ^ 1];
}
"""

# 96 values are alive at once: more than the 32 registers that 2 blocks of 1024 threads leave a thread.
CROWDED = """
extern "C" __global__ void %s crowded(const float *x, float *y, int n) {
    float a[96];
#pragma unroll
    for (int i = 0; i < 96; ++i) a[i] = x[i * 1024 + threadIdx.x];
    for (int t = 0; t < n; ++t)
#pragma unroll
        for (int i = 0; i < 96; ++i) a[i] = fmaf(a[i], a[(i + 7) %% 96], 1.0f);
#pragma unroll
    for (int i = 0; i < 96; ++i) y[i * 1024 + threadIdx.x] = a[i];
}
"""


def launch(unit: Unit, function: str, block: int, shared_bytes: int = 0) -> Kernel:
    return Kernel(unit.source, function, (1, 1, 1), (block, 1, 1), (), shared_bytes)


@pytest.mark.parametrize("arch", ["sm_80", "sm_89", "sm_90", "sm_120"])
def test_static_and_dynamic_shared_memory_add_up(compile_text: CompileText, arch: str) -> None:
    """From sm_90 on cuobjdump counts the kilobyte that the driver reserves as well: it must not be counted twice."""
    unit, binary = compile_text(STATIC, arch=arch, name="static")
    assert facts_of(unit, binary, launch(unit, "tile", 256)).shared_bytes == 4000
    assert facts_of(unit, binary, launch(unit, "tile", 256, 96)).shared_bytes == 4096
    assert facts_of(unit, binary, launch(unit, "dynamic", 256, 2048)).shared_bytes == 2048
    assert kernels_of(binary)["tile"].resources.barriers == 1


def test_the_launch_decides_the_occupancy(compile_text: CompileText) -> None:
    unit, binary = compile_text(STATIC, name="static")
    full = facts_of(unit, binary, launch(unit, "dynamic", 256))
    assert (full.occupancy_theoretical, full.occupancy_limiter, full.block_threads) == (1.0, "warps", 256)
    small = facts_of(unit, binary, launch(unit, "dynamic", 32))
    assert (small.occupancy_theoretical, small.occupancy_limiter) == (0.5, "blocks")
    large = facts_of(unit, binary, launch(unit, "dynamic", 256, 100 * 1024))
    assert (large.occupancy_theoretical, large.occupancy_limiter) == (0.25, "shared memory")


def test_a_kernel_short_of_registers_spills_and_says_so(compile_text: CompileText) -> None:
    unit, binary = compile_text(CROWDED % "__launch_bounds__(1024, 2)", name="crowded")
    tight = facts_of(unit, binary, launch(unit, "crowded", 1024))
    assert tight.registers == 32
    assert tight.spill_bytes is not None and tight.spill_bytes >= 4 * 2 * (96 - 32)
    assert tight.stack_bytes is not None and tight.stack_bytes >= 4 * (96 - 32)
    assert tight.sass_mix["local_load"] > 0 and tight.sass_mix["local_store"] > 0

    unit, binary = compile_text(CROWDED % "", name="roomy")
    roomy = facts_of(unit, binary, launch(unit, "crowded", 256))
    assert roomy.spill_bytes == 0 and roomy.stack_bytes == 0 and "local_load" not in roomy.sass_mix
    assert roomy.registers is not None and roomy.registers >= 96
    assert roomy.occupancy_limiter == "registers"


def test_facts_are_kept_beside_the_binary(compile_text: CompileText, monkeypatch: pytest.MonkeyPatch) -> None:
    unit, binary = compile_text(STATIC, name="static")
    first = facts_of(unit, binary, launch(unit, "tile", 256))

    def refuse(*arguments: object) -> str:
        raise AssertionError("a tool ran again")

    monkeypatch.setattr("workbench.compile.disassemble.run_tool", refuse)
    monkeypatch.setattr("workbench.compile.resources.run_tool", refuse)
    assert facts_of(unit, build_unit(unit), launch(unit, "tile", 256)) == first  # type: ignore[arg-type]


def test_a_function_that_the_source_lacks_is_one_line(compile_text: CompileText) -> None:
    unit, binary = compile_text(STATIC, name="static")
    with pytest.raises(Problem, match=r"static\.cu: no kernel scan; it holds dynamic, tile"):
        facts_of(unit, binary, launch(unit, "scan", 256))


def test_without_nvdisasm_it_builds_and_the_facts_say_what_to_install(
    compile_text: CompileText, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("cuda.pathfinder.find_nvidia_binary_utility", lambda name: None)
    toolkit.binary_tool.cache_clear()
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    source = tmp_path / "untold.cu"
    source.write_text(STATIC)
    unit = Unit(source, "float32", (), "sm_90")
    try:
        binary = build_unit(unit)
        assert isinstance(binary, Binary)
        with pytest.raises(Problem, match=r"pip install nvidia-cuda-(nvdisasm|cuobjdump)"):
            facts_of(unit, binary, launch(unit, "tile", 256))
    finally:
        toolkit.binary_tool.cache_clear()


def test_host_units_have_names_and_no_figures(tmp_path: Path) -> None:
    unit = Unit(tmp_path / "scan.cu", "float32", (), "host")
    fact = facts_of(unit, Binary(tmp_path / "scan.so", False, ""), launch(unit, "scan", 64))
    assert (fact.arch, fact.kernel, fact.block_threads) == ("host", "scan", 64)
    assert fact.registers is None and fact.occupancy_theoretical is None and fact.sass_mix == {}
