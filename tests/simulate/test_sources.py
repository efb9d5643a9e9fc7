"""Templates, structures by value and constant memory, as declared in a plan, from PTX and from machine code."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from workbench.compile import Binary, build_units, units_of
from workbench.compile.ptx import ptx_of_units
from workbench.declare import F64, I8, I32, At, Kernel, Plan, Struct, Tensor
from workbench.problem import Problem
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan

SOURCE = """
__constant__ float weights[4];
__constant__ int shift = 5;
struct Rows { const float *x; int count; double scale; };
struct Whole { char sign; Rows rows; };
template <int STEP> __global__ void row(Whole whole, float *y) {
    const Rows &rows = whole.rows;
    int i = STEP * threadIdx.x;
    if (i < rows.count) y[i] = whole.sign * rows.x[i] * (float)rows.scale * weights[i % 4] + shift;
}
"""
SIZE = 64
TENSORS = (Tensor("x", (SIZE,), "float32"), Tensor("y", (SIZE,), "float32", "output"))


def launch(source: Path, weights: tuple[float, ...], constants: tuple[tuple[str, bytes], ...] = ()) -> Kernel:
    whole = Struct((I8(-1), Struct((At("x", 0), I32(SIZE - 1), F64(0.5)))))
    held = (("weights", struct.pack(f"{len(weights)}f", *weights)), *constants)
    return Kernel(source, "row<2>", (1, 1, 1), (32, 1, 1), (whole, "y"), constants=held)


def simulated(plan: Plan, level: str) -> np.ndarray:
    units = units_of(plan, "float32", ["sm_90"])
    made = ptx_of_units(units) if level == "ptx" else build_units(units)
    binaries = {unit: one for unit, one in made.items() if isinstance(one, Binary)}
    assert len(binaries) == len(units), made
    memory = Memory()
    memory.put("x", np.arange(SIZE, dtype=np.float32))
    memory.put("y", np.zeros(SIZE, np.float32), writable=True)
    run_plan(plan, "float32", memory, binaries, "sm_90")
    return np.array(memory.array("y"))


def expected(weights: tuple[float, ...], shift: int) -> np.ndarray:
    x = np.arange(SIZE, dtype=np.float32)
    return np.where((x % 2 == 0) & (x < SIZE - 1), -0.5 * x * np.tile(np.float32(weights), SIZE // 4) + shift, 0)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "rows.cu"
    path.write_text(SOURCE)
    return path


@pytest.mark.parametrize("level", ["ptx", "sass"])
def test_each_launch_reads_its_own_members_and_constants(source: Path, level: str) -> None:
    first, second = (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)
    assert np.array_equal(simulated(Plan((launch(source, first),)), level), expected(first, 5))
    later = launch(source, second, (("shift", struct.pack("i", -3)),))
    assert np.array_equal(simulated(Plan((launch(source, first), later)), level), expected(second, -3))
    assert np.array_equal(simulated(Plan((later, launch(source, first))), level), expected(first, 5))


@pytest.mark.parametrize("level", ["ptx", "sass"])
def test_constants_that_do_not_fit_are_named(source: Path, level: str) -> None:
    with pytest.raises(Problem, match="constant weights: the variable has 16 bytes and is given 8"):
        simulated(Plan((launch(source, (1.0, 2.0)),)), level)
    absent = launch(source, (1.0,) * 4, (("bias", b"1234"),))
    with pytest.raises(Problem, match="constant bias: the kernel reads no __constant__ variable of that name"):
        simulated(Plan((absent,)), level)
