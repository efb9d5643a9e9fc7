"""A Triton function is compiled like a CUDA source, for any architecture, without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.catalog import load_catalog
from workbench.check.case import InputSet
from workbench.check.examine import Examiner
from workbench.compile import Binary, CompileFailure, Unit, build_unit, triton_source, unit_of
from workbench.compile.catalogue import build_catalogue
from workbench.compile.ptx import ptx_of_units
from workbench.declare import F64, I8, I16, I32, U8, U16, U32, U64, TritonKernel
from workbench.steps import kind_of
from workbench.sweep.selection import small_shape

EXAMPLE = Path(__file__).parents[2] / "examples" / "triton_scan"
KERNEL = EXAMPLE / "row_scan" / "row_scan_kernel.py"
DEFINES = (("BLOCK", 128), ("num_warps", 4))
TYPES = ("*float32@16", "*io@16", "*io@16", "i64")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("cache")
def test_the_example_has_the_facts_of_a_cuda_source() -> None:
    pytest.importorskip("triton", reason="triton is not installed: pip install triton")
    catalog = load_catalog(EXAMPLE)
    rows = build_catalogue(catalog, [catalog.variant("row_scan/triton")], ["sm_80"], ["bfloat16"])
    (row,) = rows
    assert row.status == "ok" and row.fact is not None, row.reason
    assert (row.fact.kernel, row.fact.block_threads, row.fact.spill_bytes) == ("row_scan", 128, 0)
    assert row.fact.registers and row.fact.shared_bytes and row.fact.sass_mix and row.fact.occupancy_theoretical


@pytest.mark.parametrize(
    ("function", "types", "words"),
    [
        ("row_scans", TYPES, "holds no @triton.jit function row_scans"),
        ("row_scan", TYPES[:-1], "takes a, b, h, length, BLOCK: the plan passes 3 arguments"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_what_does_not_compile_is_one_line(function: str, types: tuple[str, ...], words: str) -> None:
    pytest.importorskip("triton", reason="triton is not installed: pip install triton")
    failure = build_unit(Unit(KERNEL, "float32", DEFINES, "sm_80", function, types))
    assert isinstance(failure, CompileFailure) and words in failure.message and "\n" not in failure.message


def test_where_triton_is_missing_it_is_unsupported_with_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_source.importlib.util, "find_spec", lambda name: None)
    catalog = load_catalog(EXAMPLE)
    (row,) = build_catalogue(catalog, [catalog.variant("row_scan/triton")], ["sm_90"], ["float32"])
    assert row.status == "unsupported" and "-m pip install triton" in (row.reason or ""), row


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_example_is_right_in_the_simulator_under_every_checker(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton", reason="triton is not installed: pip install triton")
    monkeypatch.setattr("workbench.check.limited.limit_memory", lambda _: None)
    operation = load_catalog(EXAMPLE).operation("row_scan")
    examiner = Examiner(EXAMPLE, "row_scan/triton", 0)
    found = examiner.check(
        small_shape(operation, dtype), {"block": 512, "warps": 4}, (InputSet(operation.regimes[0], 0),)
    )
    assert found.right and found.comparison is not None, found.reason


SCALARS = """
import triton
import triton.language as tl

@triton.jit
def scalars(x, none, yes, a, b, c, d, e, f, g, h, i, j, N: tl.constexpr):
    at = tl.arange(0, N)
    whole = a + b + c + d + e + f + (g + h).to(tl.int32)
    tl.store(x + at, tl.where(yes, whole.to(tl.float32) + i + j.to(tl.float32), 0.0))
"""


@pytest.mark.usefixtures("cache")
def test_every_scalar_has_a_type_of_triton(tmp_path: Path) -> None:
    source = tmp_path / "scalars.py"
    source.write_text(SCALARS)
    numbers = (True, I8(1), U8(2), I16(3), U16(4), I32(5), U32(6), 7, U64(8), 0.5, F64(0.5))
    step = TritonKernel(source, "scalars", (1, 1, 1), ("x", None, *numbers), (("N", 32),))
    found = kind_of(step).source(step)
    assert found is not None
    words = ("i1", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "fp32", "fp64")
    assert found.types == ("*io@16", "*io", *words)
    pytest.importorskip("triton", reason="triton is not installed: pip install triton")
    built = build_unit(unit_of(step, "float32", "sm_90"))
    assert not isinstance(built, CompileFailure), built.message


@pytest.mark.usefixtures("cache")
def test_its_ptx_comes_with_the_cubin_or_alone_and_says_what_a_launch_needs() -> None:
    pytest.importorskip("triton", reason="triton is not installed: pip install triton")
    unit = Unit(KERNEL, "float32", DEFINES, "sm_90", "row_scan", TYPES)
    cubin = build_unit(unit)
    beside = ptx_of_units([unit])[unit]
    assert isinstance(cubin, Binary) and isinstance(beside, Binary) and beside.cached
    text = beside.path.read_text()
    assert ".visible .entry row_scan(" in text and beside.launch_needs == cubin.launch_needs != (0, 0)
    beside.path.unlink()
    alone = ptx_of_units([unit])[unit]
    assert isinstance(alone, Binary) and not alone.cached and alone.path.read_text() == text
    assert alone.launch_needs == cubin.launch_needs


def test_where_triton_is_missing_so_is_its_ptx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_source.importlib.util, "find_spec", lambda name: None)
    unit = Unit(KERNEL, "float32", DEFINES, "sm_90", "row_scan", TYPES)
    made = ptx_of_units([unit])[unit]
    assert isinstance(made, CompileFailure) and made.lacking and "-m pip install triton" in made.message
