"""Functions by their C++ names, options of a step's own, and what both are called in a binary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from workbench.compile import Binary, CompileFailure, Unit, build_unit, facts_of, kernels_of, unit_of
from workbench.compile.facts import NoSuchKernel, listings_of
from workbench.compile.ptx import ptx_of_units
from workbench.declare import Kernel

SOURCE = """
template <int WIDTH, typename T> __global__ void add(const T *x, T *y) {
    #pragma unroll
    for (int i = 0; i < WIDTH; i++) y[i * 32 + threadIdx.x] = x[i * 32 + threadIdx.x] + (T)WIDTH;
}
namespace rows { __global__ void twice(const float *x, float *y) { y[threadIdx.x] = 2.0f * x[threadIdx.x]; } }
__global__ void plain(const float *x, float *y) { y[threadIdx.x] = expf(x[threadIdx.x]); }
extern "C" __global__ void known(const float *x, float *y) { y[threadIdx.x] = x[threadIdx.x]; }
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "named.cu"
    path.write_text(SOURCE)
    return path


def step_of(source: Path, function: str, options: tuple[str, ...] = ()) -> Kernel:
    return Kernel(source, function, (1, 1, 1), (32, 1, 1), ("x", "y"), options=options)


def built(step: Kernel) -> tuple[Unit, Binary]:
    unit = unit_of(step, "float32", "sm_90")
    binary = build_unit(unit)
    assert isinstance(binary, Binary), binary
    return unit, binary


@pytest.mark.parametrize(
    ("function", "symbol"),
    [
        ("add<4, float>", "_Z3addILi4EfEvPKT0_PS0_"),
        ("rows::twice", "_ZN4rows5twiceEPKfPf"),
        ("::plain", "_Z5plainPKfPf"),
        ("known", "known"),
    ],
)
def test_a_function_is_found_by_its_name_in_cubin_and_ptx(source: Path, function: str, symbol: str) -> None:
    step = step_of(source, function)
    unit, binary = built(step)
    assert binary.symbol(function) == symbol and binary.function(symbol) == function
    assert function in kernels_of(binary) and function in listings_of(binary)
    fact = facts_of(unit, binary, step)
    assert fact.kernel == function and fact.registers
    again = build_unit(unit)
    assert isinstance(again, Binary) and again.cached and again.symbol(function) == symbol
    for one, cached in ((unit, True), (replace(unit, arch="sm_89"), False)):  # a cubin's PTX is kept beside it
        ptx = ptx_of_units([one])[one]
        assert isinstance(ptx, Binary) and ptx.cached is cached
        assert ptx.symbol(function) == symbol and f".entry {symbol}(" in ptx.path.read_text()


def test_instances_of_one_template_are_compiled_apart(source: Path) -> None:
    narrow, wide = built(step_of(source, "add<1, float>"))[1], built(step_of(source, "add<8, float>"))[1]
    assert narrow.path != wide.path
    assert kernels_of(narrow)["add<1, float>"].code_bytes < kernels_of(wide)["add<8, float>"].code_bytes


def test_what_cannot_be_instantiated_is_the_compilers_error(source: Path) -> None:
    for function, words in (("add<0.5f, float>", "add<0.5f, float>"), ("absent<3>", "absent")):
        made = build_unit(unit_of(step_of(source, function), "float32", "sm_90"))
        assert isinstance(made, CompileFailure) and words in made.message
        assert isinstance(ptx_of_units([made.unit])[made.unit], CompileFailure)


def test_a_name_that_c_does_not_have_is_answered_with_the_two_ways_to_have_it(source: Path) -> None:
    step = step_of(source, "plain")
    unit, binary = built(step)
    with pytest.raises(NoSuchKernel, match=r'write extern "C" before it, or name it as C\+\+ does: ::plain'):
        facts_of(unit, binary, step)


def test_options_reach_the_compiler_and_are_part_of_what_is_cached(source: Path) -> None:
    plain, fast = built(step_of(source, "::plain"))[1], built(step_of(source, "::plain", ("--use_fast_math",)))[1]
    assert plain.path != fast.path
    assert sum(kernels_of(fast)["::plain"].sass_mix.values()) < sum(kernels_of(plain)["::plain"].sass_mix.values())
    made = build_unit(unit_of(step_of(source, "::plain", ("--no-such-option",)), "float32", "sm_90"))
    assert isinstance(made, CompileFailure) and "--no-such-option" in made.message
