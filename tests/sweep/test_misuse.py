"""What a newcomer gets wrong in a kernel folder: one line with file and word to change, and the others go on."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.own_folder import KERNEL, MINE, STEP, folder
from workbench.problem import Problem
from workbench.store.record import Record, Status
from workbench.store.run_folder import open_run
from workbench.sweep.checking import check_all
from workbench.sweep.progress import Silent
from workbench.sweep.selection import Selection
from workbench.sweep.session import continue_run
from workbench.sweep.start import start_run


def checked(root: Path) -> dict[str, Record]:
    return {r.variant: r for r in check_all(Selection(kernels=str(root), preset="small"), Silent())}


ARGUMENTS = '("x", "y", I32(N))'
COSTS_ITSELF = [
    (f"{ARGUMENTS})", '("x", "y"))', "variants.py:11: plan(): kernel kernel: 2 arguments for 3 parameters (64 bits, 64 bits, 32 bits) in kernel.cu"),
    (ARGUMENTS, '("x", "y", N)', "argument 3 (300) is 64 bits, the kernel in kernel.cu takes 32 bits: write I32(300)"),
    (ARGUMENTS, '("x", "y", float(N))', "(300.0) is 32 bits of a float, the kernel in kernel.cu takes 32 bits: write I32(300)"),
    ('    N = s["N"]\n    return', "    N = 1 // 0\n    return", "variants.py:12: variant mine: plan() raised ZeroDivisionError"),
    ('    N = s["N"]\n    return', '    N = s["M"]\n    return', "plan() raised KeyError: shape N=300 float32 has no axis M"),
    ('def cost(s, settings):\n    return Cost(bytes=8 *', 'def cost(s, settings):\n    return Cost(bytes=8.5 *',
     "cost() has bytes = 2550.0: write a whole number"),
    ('def cost(s, settings):\n    return Cost(bytes=8 * s["N"], launches', 'def cost(s, settings):\n    return Cost(bytes=8 * s["N"], launch',
     "unexpected keyword argument 'launch'"),
    ("def cost(s, settings):\n    return", "def cost(s, settings):\n    ", "cost() returned None: return Cost(bytes=...)"),
    (MINE, MINE[:-1] + ', supports=lambda s: s["N"] > 0)', "supports() returned True: return None where"),
    (MINE, MINE[:-1] + ', supports=lambda s: s["N"] > 1e9)', "supports() returned False: return None where"),
    (MINE, MINE[:-1] + ', settings={"block": (128)})', "settings['block'] is 128: write a tuple"),
    (MINE, MINE.replace('("cuda",)', '"cuda"'), "devices is 'cuda': write a tuple"),
    ("x[i] + 1.0f;", "x[i] > 1e30f ? 0 : y[i];", "initcheck: uninitialised_store: a value that nobody wrote is stored"),
    ("x[i] + 1.0f;", "x[i] + 1.5f;", "y (normal-0, in order): relative L2 error"),
    ("if (i < n) y", "if (i < n && i % 2 == 0) y", "initcheck: unwritten_output: 600 of 1200 bytes of y were never written (in kernel.cu)"),
    ("(128, 1, 1), (", "(2048, 1, 1), (", "a block of 2048 x 1 x 1 threads: at most 1024"),
    ("(128, 1, 1), (", "(128, 1), (", "gives kernel the block (128, 1): write three whole numbers"),
    ("(ceil_div(N, 128), 1, 1)", "(N / 100, 1, 1)", "gives kernel the grid (3.0, 1, 1): write three whole numbers"),
    (f"Plan(({STEP},))", f"Plan({STEP})", "write a tuple, as in Plan((Kernel(...),))"),
    (f"Plan(({STEP},))", f"[{STEP}]", "plan() returned a list: return Plan((step, ...))"),
    (f"Plan(({STEP},))", f'Plan((Clear("flags"), {STEP}))', "names no tensor flags: declare Tensor('flags', ..., 'scratch')"),
    (f"Plan(({STEP},))", "Plan((Call(lambda x: 1 / 0, ('x',), ('y',)),))", "ZeroDivisionError: division by zero (variants.py:13)"),
    ('"kernel.cu"', '"kernels.cu"', "kernels.cu: no such source: did you mean kernel.cu?"),
    ("(128, 1, 1), (", "(1, 1, 128), (", "variants.py:11: variant mine: plan() gives kernel a block of 1 x 1 x 128 threads: at most 1024, and 64 in z"),
    ("(ceil_div(N, 128), 1, 1)", "(1, 70000, 1)", "gives kernel a grid of 1 x 70,000 x 1 blocks: at most 65,535 in y and z"),
    (ARGUMENTS, '("x", "y", True)', "argument 3 (True) is 8 bits, the kernel in kernel.cu takes 32 bits: write I32(1)"),
    (ARGUMENTS, '["x", "y", I32(N)]', "gives kernel the arguments ['x', 'y', I32(value=300)]: write a tuple"),
    (f"Plan(({STEP},))", f'Plan(({STEP},), scratch=(Tensor("m", (N,), "float32"),))', "write the role 'scratch'"),
    (f"Plan(({STEP},))", f'Plan(({STEP},), scratch=(Tensor("x", (N,), "float32", "scratch"),))', "declares two tensors x"),
    (f"Plan(({STEP},))", 'Plan((Call(lambda x: x + 1, "x", ("y",)),))', "gives Call the inputs 'x': write a tuple of names"),
    ("SOURCE, ", "str(SOURCE), ", "write a path, as in Path(__file__).parent"),
    (STEP, f'{STEP[:-1]}, shared_bytes=4.0)', "gives kernel shared_bytes = 4.0: write a whole number"),
    (MINE, MINE[:-1] + ", rung=None)", "variants.py:25: variant mine: rung is None: write a whole number"),
    (MINE, MINE.replace("plan, cost", "plan(0, 0) if False else 0, cost"), "plan is 0: write a function's name"),
    ("    int i = ", "    __shared__ float s[16384]; s[threadIdx.x * n] = n; __syncthreads(); y[0] = s[n];\n    int i = ",
     "kernel.cu: ptxas error : Entry function 'kernel' uses too much shared data (0x10000 bytes, 0xc000 max); more than 48 KiB"),
    ('extern "C" ', 'int helper() { return 1; }\nextern "C" ', "leave main() and launches out (the plan launches)"),
    ('extern "C" __global__', '__device__', 'kernel.cu: holds no kernel: write extern "C" __global__ before kernel'),
    ('"kernel", (ceil', '"kernal", (ceil', "kernel.cu: no kernel kernal; it holds kernel"),
    ("int n) {", "bool n) {", "argument 3 (300) is 32 bits, the kernel in kernel.cu takes 8 bits: write U8(300)"),
    ('extern "C" __global__ void kernel(const float *x, float *y, int n) {\n',
     'struct All { const float *x; float *y; int n; };\nextern "C" __global__ void kernel(All p) { auto x = p.x; auto y = p.y; int n = p.n;\n',
     "3 arguments for 1 parameters (192 bits: a structure, written as Struct(...)) in kernel.cu"),
    ("y[i] = x[i] + 1.0f;", "y[/* row */ i] = x[i] + oops;", 'kernel.cu(3): error: identifier "oops" is undefined'),
    ('extern "C" ', "#include <iostream>\nint main() {}\n", 'cannot open source file "iostream"'),
    ('extern "C" ', "", 'no kernel kernel; it holds _Z6kernelPKfPfi (write extern "C" before it, or name it as C++ does: ::kernel'),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), COSTS_ITSELF)
def test_it_costs_its_own_record_with_the_word_to_change(tmp_path: Path, old: str, new: str, words: str) -> None:
    records = checked(folder(tmp_path, old, new))
    mine = records["mine"]
    assert mine.status not in (Status.OK, Status.UNSUPPORTED) and words in (mine.reason or ""), mine
    assert re.search(r"(variants\.py:\d+|kernel\.cu)\b", mine.reason or ""), mine.reason
    assert "\n" not in (mine.reason or "") and "launch.py" not in (mine.reason or "")
    assert records["right"].status is Status.OK, records["right"].reason


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"x": random.standard_normal(s["N"], dtype=np.float32)', '"z": random.standard_normal(s["N"])',
         "operation.py:9: operation probe: make_inputs() gives no x: return it too (it returned z)"),
        ('i["x"] + 1', 'i["x"][:, None] + 1', "reference() gives y of shape (300, 1), tensors() declares (300,)"),
        ('i["x"] + 1', 'i["x"] * np.nan', "reference() gives y with NaN or infinity"),
        ('baseline="right"', 'baseline="right", depth=lambda s: 0', "depth() returned 0: return the steps of the longest chain"),
        ('baseline="right"', 'baseline="right", depth=lambda s: s["T"]', "depth() raised KeyError: shape N=300 float32 has no axis T"),
        ('"float32", "output"', '"float32", "out"', "gives y the role 'out': a role is input, parameter, saved, in_place, output, scratch"),
        ('Tensor("y", (s["N"],)', 'Tensor("y", (s["N"] / 1,)', "gives y the shape (300.0,): write a tuple of whole numbers"),
        ('random.standard_normal(s["N"], dtype', 'random.standard_normal(s["N"] + 1, dtype',
         "operation.py:9: operation probe: make_inputs() gives x of shape (301,), tensors() declares (300,)"),
        ('{"x": random', '{"z": 0, "x": random', "make_inputs() gives z, and tensors() declares no such input: x"),
        ('random.standard_normal(s["N"], dtype=np.float32)', '["one"] * s["N"]', "gives x of dtype <U3: give an array of numbers"),
        ('i["x"] + 1', 'i["w"] + 1', "operation.py:14: operation probe: reference() raised KeyError: w"),
        ('"y", (s["N"],)', '"x", (s["N"],)', "tensors() declares two tensors x"),
        ('"x", (s["N"],), "float32"', '"x", (s["N"],), "float31"', "gives x the dtype 'float31': a dtype is float32"),
    ],
)  # fmt: skip
def test_a_broken_operation_costs_its_variants(tmp_path: Path, old: str, new: str, words: str) -> None:
    records = checked(folder(tmp_path, old, new))
    assert set(records) == {"right", "mine"}
    for record in records.values():
        assert record.status is Status.CRASHED and words in (record.reason or ""), record


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"(RIGHT, {MINE})", f"({MINE})", "variants.py: VARIANTS is one Variant: write a tuple, with a comma"),
        (f"(RIGHT, {MINE})", f"(RIGHT, {MINE}, {MINE})", "variants.py:25: variant mine is declared twice"),
        (f"(RIGHT, {MINE})", "(RIGHT, 3)", "variants.py: VARIANTS holds 3"),
        ('"mine", "probe"', '"mine", "prob"', "variants.py:25: variant mine names the operation prob: this folder's is probe"),
        ("def cost(s, settings):", "def cost(s, settings)", "variants.py:16: SyntaxError: expected ':'"),
        ('baseline="right"', "baseline=right", "operation.py:19: NameError: name 'right' is not defined"),
        ('baseline="right"', 'baseline="left"', "operation.py:17: baseline left is not among its variants"),
        ('small={"N": 300}', 'small={"n": 300}', "operation.py:17: operation probe: small has the axes n, axes has N"),
        ('tolerance={"float32": 2e-6}', "tolerance={}", "operation.py:17: operation probe: tolerance has no entry for float32"),
        ('dtypes=("float32",)', 'dtypes=("float32",), presets={"quick": {"N": 5}}', "presets['quick'] is {'N': 5}: write a tuple of dicts"),
        ('dtypes=("float32",)', 'dtypes=("float32",), growth={"M": (5,)}', "growth is {'M': (5,)}: write a tuple of sizes for each of N"),
        ("reference=reference", "reference=1", "reference is 1: write a function's name, without brackets"),
        ("import numpy as np", "import numpy as np, no_such_package", "-m pip install no_such_package"),
        ('dtypes=("float32",)', 'dtypes="float32"', "operation.py:17: operation probe: dtypes is 'float32': write a tuple"),
    ],
)  # fmt: skip
def test_what_cannot_be_loaded_is_one_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(Problem) as raised:
        checked(folder(tmp_path, old, new))
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_what_looks_odd_and_is_right(tmp_path: Path) -> None:
    """float64 or a list as inputs (rounded as declared), size_t for an int, a print at import."""
    root = folder(tmp_path, "dtype=np.float32", "")
    text = (root / "probe" / "variants.py").read_text()
    (root / "probe" / "variants.py").write_text('print("hello")\n' + text.replace("I32(N)", "N"))
    (root / "probe" / "kernel.cu").write_text(KERNEL.replace("int n", "size_t n"))
    assert {r.status for r in checked(root).values()} == {Status.OK}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (STEP, "1 // 0"),
        pytest.param('"kernel", (ceil', '"kernal", (ceil', marks=pytest.mark.thorough),
        pytest.param('"kernel.cu"', '"none.cu"', marks=pytest.mark.thorough),
    ],
)
def test_a_sweep_goes_on_without_it(tmp_path: Path, old: str, new: str) -> None:
    selection = Selection(kernels=str(folder(tmp_path, old, new)), devices=("cpu",), axes=(("N", (5000,)),))
    run = start_run(selection, tmp_path / "profiles", "r")
    continue_run(run, Silent())
    records = {r.variant: r for r in open_run(run.path).records()}
    assert records["right"].status is Status.OK and records["right"].time is not None
    assert records["mine"].status in (Status.CRASHED, Status.COMPILE_ERROR) and records["mine"].reason
