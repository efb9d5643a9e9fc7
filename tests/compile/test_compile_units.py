"""Compiling for real: GPU binaries without a GPU, host libraries, the cache, and failures."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
from pathlib import Path

import pytest

from workbench.compile import Binary, CompileFailure, Unit, build_units, compile_units, unit_of
from workbench.declare import Host, Kernel
from workbench.problem import Problem

SERIAL = Path(__file__).resolve().parents[2] / "kernel_variants" / "scan" / "50_serial.cu"

KERNEL = """
#include "scale.cuh"
extern "C" __global__ void scale(float *x, long long n) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) x[i] *= FACTOR * BY;
}
"""


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel folder with a source, a header beside it, and one that this header includes from ../include."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "kernels" / "scale"
    folder.mkdir(parents=True)
    (folder.parent / "include").mkdir()
    (folder / "scale.cu").write_text(KERNEL)
    (folder / "scale.cuh").write_text('#pragma once\n#include "factor.cuh"\n')
    (folder.parent / "include" / "factor.cuh").write_text("#pragma once\n#define FACTOR 2.0f\n")
    return folder


def scale(folder: Path, dtype: str = "float32", by: int = 3, arch: str = "sm_90") -> Unit:
    return Unit(folder / "scale.cu", dtype, (("BY", by),), arch)


def built(unit: Unit) -> Binary:
    binary = build_units([unit])[unit]
    assert isinstance(binary, Binary), binary
    return binary


def test_the_serial_scan_compiles_for_two_architectures_and_dtypes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    units = [Unit(SERIAL, dtype, (), arch) for dtype in ("float32", "bfloat16") for arch in ("sm_90", "sm_89")]
    seen: list[Unit] = []
    results = build_units(units, progress=lambda unit, binary: seen.append(unit))
    assert sorted(map(str, seen)) == sorted(map(str, units))
    paths = {results[unit].path for unit in units if isinstance(results[unit], Binary)}  # type: ignore[union-attr]
    assert len(paths) == 4
    assert all(path.read_bytes()[:4] == b"\x7fELF" for path in paths)
    assert "Compiling entry function 'scan_serial' for 'sm_90'" in built(units[0]).log


def test_a_second_build_compiles_nothing(kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = [scale(kernels, arch=arch) for arch in ("sm_90", "sm_89")]
    first = build_units(units)
    assert [binary.cached for binary in first.values() if isinstance(binary, Binary)] == [False, False]

    def refuse(*arguments: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(compile_units, "_compile", refuse)
    second = build_units(units)
    for unit in units:
        binary, before = second[unit], first[unit]
        assert isinstance(binary, Binary) and isinstance(before, Binary)
        assert binary.cached and binary.path == before.path and binary.log == before.log


def test_what_goes_into_a_binary_decides_its_name(kernels: Path) -> None:
    start = built(scale(kernels)).path
    assert built(scale(kernels, by=4)).path != start
    assert built(scale(kernels, dtype="bfloat16")).path != start
    assert built(scale(kernels, arch="sm_89")).path != start
    (kernels / "scale.cu").write_text(KERNEL + "// another\n")
    assert built(scale(kernels)).path != start
    (kernels / "scale.cu").write_text(KERNEL)
    again = built(scale(kernels))
    assert again.path == start and again.cached


@pytest.mark.parametrize("header", ["scale.cuh", "../include/factor.cuh"])
def test_an_edited_header_rebuilds_whatever_path_leads_to_it(kernels: Path, header: str) -> None:
    before = built(scale(kernels)).path.read_bytes()
    text = (kernels / header).read_text()
    (kernels / header).write_text(text.replace("2.0f", "5.0f") + "// edited\n")
    binary = built(scale(kernels))
    assert not binary.cached
    if "factor" in header:
        assert binary.path.read_bytes() != before


def test_a_failure_carries_the_compilers_message_and_the_others_go_on(kernels: Path) -> None:
    (kernels / "broken.cu").write_text('extern "C" __global__ void broken(int *p) {\n    *p = missing;\n}\n')
    bad, good = Unit(kernels / "broken.cu", "float32", (), "sm_90"), scale(kernels)
    results = build_units([bad, good])
    assert isinstance(results[good], Binary)
    failure = results[bad]
    assert isinstance(failure, CompileFailure) and failure.unit == bad
    assert f'{kernels / "broken.cu"}(2): error: identifier "missing" is undefined' in failure.message
    assert not list((kernels.parent.parent / "cache").rglob(".*"))  # nothing half-written


def test_too_much_static_shared_memory_is_the_assemblers_failure(kernels: Path) -> None:
    (kernels / "large.cu").write_text(
        'extern "C" __global__ void large(float *p) {\n'
        "    __shared__ float tile[100000];\n"
        "    tile[threadIdx.x] = p[0]; __syncthreads(); p[1] = tile[(int)p[2]];\n}\n"
    )
    unit = Unit(kernels / "large.cu", "float32", (), "sm_90")
    failure = build_units([unit])[unit]
    assert isinstance(failure, CompileFailure)
    assert "uses too much shared data" in failure.message


def test_host_code_becomes_a_library_that_runs(kernels: Path) -> None:
    (kernels / "sum.cpp").write_text(
        'extern "C" void sum(const float *x, float *y, long long n) {\n'
        "    float s = 0;\n#pragma omp parallel for reduction(+ : s)\n"
        "    for (long long i = 0; i < n; ++i) s += x[i];\n    *y = s * BY;\n}\n"
    )
    step = Host(kernels / "sum.cpp", "sum", ("x", "y", 4), (("BY", 10),))
    unit = unit_of(step, "float32", "sm_90")
    assert unit.arch == "host"
    library = ctypes.CDLL(str(built(unit).path))
    x, y = (ctypes.c_float * 4)(1, 2, 3, 4), ctypes.c_float()
    library.sum(x, ctypes.byref(y), ctypes.c_longlong(4))
    assert y.value == 100.0
    assert built(unit).cached


def test_a_host_failure_names_file_and_line(kernels: Path) -> None:
    (kernels / "broken.cpp").write_text('extern "C" void broken() {\n    missing();\n}\n')
    unit = Unit(kernels / "broken.cpp", "float32", (), "host")
    failure = build_units([unit])[unit]
    assert isinstance(failure, CompileFailure)
    assert f"{kernels / 'broken.cpp'}:2:5: error" in failure.message


def test_no_compiler_is_one_line(kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kernels / "empty.cpp").write_text("")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        Problem, match="no C\\+\\+ compiler: no-such-compiler is not on PATH; install g\\+\\+"
    ) as caught:
        build_units([Unit(kernels / "empty.cpp", "float32", (), "host")])
    assert "\n" not in str(caught.value)


def test_a_missing_source_is_one_line(kernels: Path) -> None:
    """It fails for itself, as what does not compile; the others are built."""
    gone, there = Unit(kernels / "gone.cu", "float32", (), "sm_90"), scale(kernels)
    built = build_units([gone, there])
    assert isinstance(built[gone], CompileFailure) and "gone.cu: no such source" in built[gone].message
    assert isinstance(built[there], Binary)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_an_unwritable_cache_is_one_line(kernels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    monkeypatch.setenv("WORKBENCH_CACHE", str(locked / "cache"))
    with pytest.raises(Problem, match="cannot write the build cache"):
        build_units([scale(kernels)])


def test_a_cache_whose_folder_is_a_file_is_one_line(
    kernels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(Problem, match="cannot write the build cache"):
        build_units([scale(kernels)])


def _build_in_another_process(folder: Path, answers: multiprocessing.Queue[bytes]) -> None:
    answers.put(built(scale(folder)).path.read_bytes())


def test_processes_that_build_the_same_at_once_all_get_it(kernels: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[bytes] = context.Queue()
    processes = [context.Process(target=_build_in_another_process, args=(kernels, answers)) for _ in range(3)]
    for process in processes:
        process.start()
    made = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert made[0] == made[1] == made[2] == built(scale(kernels)).path.read_bytes()


def test_units_of_the_same_content_share_one_compilation(kernels: Path) -> None:
    other = kernels.parent / "copy"
    other.mkdir()
    for name in ("scale.cu", "scale.cuh"):
        (other / name).write_text((kernels / name).read_text())
    units = [scale(kernels), scale(other)]
    results = build_units(units)
    assert len({results[unit].path for unit in units if isinstance(results[unit], Binary)}) == 1  # type: ignore[union-attr]


def test_a_kernel_step_names_its_unit() -> None:
    step = Kernel(SERIAL, "scan_serial", (1, 1, 1), (32, 1, 1), (), defines=(("WIDTH", 4),))
    assert unit_of(step, "bfloat16", "sm_89") == Unit(SERIAL, "bfloat16", (("WIDTH", 4),), "sm_89")
