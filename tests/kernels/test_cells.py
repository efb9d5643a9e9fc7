"""Every scan kernel compiled for other cells: minLSTM, a scan from the end of time, the scan's backward pass, SRU.

The declarations are those of the scan's rungs, given another `Cell`; the references are written out here in float64.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernel_variants import equations
from kernel_variants.scan import parallel_in_time, serial_in_time, split_in_time
from kernel_variants.scan.cells import SCAN, SCAN_BACKWARD, Cell, Stream
from tests.kernels.covering import sliced
from tests.kernels.executed import NUMPY_DTYPE, SCHEDULES, executed, in_folder, relative_error
from workbench.catalog import BUILTIN
from workbench.check.examine import ARCH
from workbench.declare import Shape, Tensor, Variant
from workbench.limits import limits_for

Array = NDArray[np.float64]
Arrays = Mapping[str, Array]

FREE_ORDER = ("look_back_plain", "look_back_free", "look_back_ring")
"""Those that compose what other tiles have published by then: how they round is a matter of time."""
RUNGS: Mapping[str, Callable[[Cell], Variant]] = {
    "serial": serial_in_time.serial,
    "vector": serial_in_time.vector,
    "prefetch": serial_in_time.prefetch,
    "ring": serial_in_time.ring,
    "hillis_steele": parallel_in_time.hillis_steele,
    "blelloch_global": parallel_in_time.blelloch_global,
    "blelloch": lambda cell: parallel_in_time.blelloch(cell, padded=True),
    "warp_shuffle": parallel_in_time.warp_shuffle,
    "three_phase": split_in_time.three_phase,
    "look_back_plain": split_in_time.look_back_plain,
    "look_back_free": lambda cell: split_in_time.look_back(cell, fixed_order=False),
    "look_back_fixed": lambda cell: split_in_time.look_back(cell, fixed_order=True),
    "look_back_ring": split_in_time.look_back_ring,
}


@dataclass(frozen=True)
class Problem:
    """A cell with its tensors, its inputs and its reference."""

    cell: Cell
    tensors: Callable[[Shape], tuple[Tensor, ...]]
    inputs: Callable[[Shape, np.random.Generator], dict[str, Array]]
    reference: Callable[[Arrays], dict[str, Array]]


def _states(shape: Shape, *names: str) -> tuple[Tensor, ...]:
    first, last = names
    size = (shape["B"], shape["H"])
    return (Tensor(first, size, "float32"), Tensor(last, size, "float32", "output"))


def _rows(shape: Shape, name: str, *parts: int, role: str = "input", dtype: str = "", more: int = 0) -> Tensor:
    size = (shape["B"], shape["T"] + more, *parts, shape["H"])
    return Tensor(name, size, dtype or shape.dtype, role)  # type: ignore[arg-type]


def _normal(shape: Shape, random: np.random.Generator, *parts: int, more: int = 0) -> Array:
    return random.standard_normal((shape["B"], shape["T"] + more, *parts, shape["H"]))


# ------------------------------------------------------------------------------------------------------- minLSTM


def minlstm_inputs(logits: float) -> Callable[[Shape, np.random.Generator], dict[str, Array]]:
    """Logits of N(0, 1), and where `logits` is not 0, each with that added or taken off."""

    def make(shape: Shape, random: np.random.Generator) -> dict[str, Array]:
        x = _normal(shape, random, 3)
        x[..., :2, :] += logits * random.choice((-1, 1), x[..., :2, :].shape)
        return {"ffv": x, "h0": random.standard_normal((shape["B"], shape["H"]))}

    return make


def minlstm(given: Arrays) -> dict[str, Array]:
    """f' = f / (f + i) as sigma(softplus(-k_i) - softplus(-k_f)), which no logit turns to 0 / 0."""
    forget, write, v = (given["ffv"][:, :, part] for part in range(3))
    q = np.logaddexp(0, -write) - np.logaddexp(0, -forget)
    h, last = equations.scan(equations.sigmoid(q), equations.sigmoid(-q) * equations.candidate(v), given["h0"])
    return {"h": h, "h_last": last}


MINLSTM = Cell(
    "scan", "CELL_MINLSTM", tuple(Stream("ffv", part) for part in range(3)), (Stream("h"),), 20, special_per_step=5
)


def minlstm_tensors(s: Shape) -> tuple[Tensor, ...]:
    return (_rows(s, "ffv", 3), _rows(s, "h", role="output"), *_states(s, "h0", "h_last"))


def _minlstm(logits: float) -> Problem:
    return Problem(
        MINLSTM,
        minlstm_tensors,
        minlstm_inputs(logits),
        minlstm,
    )


# --------------------------------------------------------------------------------------- from the end of time


def scan_inputs(shape: Shape, random: np.random.Generator) -> dict[str, Array]:
    a = equations.sigmoid(_normal(shape, random) + 3.0)
    return {"a": a, "b": _normal(shape, random), "h0": random.standard_normal((shape["B"], shape["H"]))}


def reversed_scan(given: Arrays) -> dict[str, Array]:
    h, last = equations.scan(given["a"][:, ::-1], given["b"][:, ::-1], given["h0"])
    return {"h": h[:, ::-1], "h_last": last}


def scan_tensors(s: Shape) -> tuple[Tensor, ...]:
    streams = (_rows(s, "a", dtype="float32"), _rows(s, "b", dtype="float32"), _rows(s, "h", role="output"))
    return (*streams, *_states(s, "h0", "h_last"))


# ------------------------------------------------------------------------------------------ the scan's backward


def backward_inputs(shape: Shape, random: np.random.Generator) -> dict[str, Array]:
    a = equations.sigmoid(_normal(shape, random) + 3.0)
    h0, gh_last = (random.standard_normal((shape["B"], shape["H"])) for _ in range(2))
    return {"a": a, "gh": _normal(shape, random), "h": _normal(shape, random), "h0": h0, "gh_last": gh_last}


def backward(given: Arrays) -> dict[str, Array]:
    da, db, dh0 = equations.scan_backward(given["a"], given["h"], given["h0"], given["gh"], given["gh_last"])
    return {"da": da, "db": db, "dh0": dh0}


def backward_tensors(s: Shape) -> tuple[Tensor, ...]:
    outputs = tuple(_rows(s, name, role="output", dtype="float32") for name in ("da", "db"))
    h0 = Tensor("h0", (s["B"], s["H"]), "float32")
    inputs = (_rows(s, "a", dtype="float32"), _rows(s, "gh"), _rows(s, "h"), h0)
    return (*inputs, *outputs, *_states(s, "gh_last", "dh0"))


# ------------------------------------------------------------------------------------------------------- SRU

SRU_HEADER = """
#define CELL_INPUTS(STREAM) STREAM(io_t, u, 3, 0) STREAM(io_t, k_f, 3, 0) STREAM(io_t, k_r, 3, 0) \\
    STREAM(io_t, x, 1, 0) STREAM(float, mask, 0, 1)
#define CELL_OUTPUTS(STREAM) STREAM(io_t, h, 1, 0) STREAM(float, c, 1, 0)
#include "single_gates.cuh"
#include "streams.cuh"

struct Cell {
    struct Step : Affine {
        float r, masked, x;
    };
    static constexpr bool EMITS_STATE = false;
    static __device__ __forceinline__ Step step(const Values &in) {
        const float r = sigmoid(in.k_r);
        return Step{{sigmoid(in.k_f), sigmoid(-in.k_f) * in.u}, r, r * in.mask, in.x};
    }
    static __device__ __forceinline__ Emitted emit(const Step &step, float, float after) {
        return Emitted{step.masked * after + (1.0f - step.r) * step.x, after};
    }
};
"""
SRU = Cell(
    "scan",
    "CELL_SRU",
    (*(Stream("ufr", part) for part in range(3)), Stream("x"), Stream("mask", dtype="float32")),
    (Stream("h"), Stream("c", dtype="float32")),
    flops_per_step=20,
    special_per_step=4,
    emits_state=False,
)


def sru_inputs(shape: Shape, random: np.random.Generator) -> dict[str, Array]:
    size = (shape["B"], shape["H"])
    mask = random.choice((0.0, 2.0), size)
    return {
        "ufr": _normal(shape, random, 3),
        "x": _normal(shape, random),
        "mask": mask,
        "h0": random.standard_normal(size),
    }


def sru(given: Arrays) -> dict[str, Array]:
    """SRU v1 with the identity for phi: h = r m c + (1 - r) x, the mask (B, H) the same at every step."""
    u, forget, reset = (given["ufr"][:, :, part] for part in range(3))
    c, last = equations.scan(equations.sigmoid(forget), equations.sigmoid(-forget) * u, given["h0"])
    r = equations.sigmoid(reset)
    return {"h": r * given["mask"][:, None] * c + (1 - r) * given["x"], "c": c, "h_last": last}


def sru_tensors(s: Shape) -> tuple[Tensor, ...]:
    inputs = (_rows(s, "ufr", 3), _rows(s, "x"), Tensor("mask", (s["B"], s["H"]), "float32"))
    outputs = (_rows(s, "h", role="output"), _rows(s, "c", role="output", dtype="float32"))
    return (*inputs, *outputs, *_states(s, "h0", "h_last"))


PROBLEMS: Mapping[str, Problem] = {
    "minlstm": _minlstm(0.0),
    "minlstm_saturated": _minlstm(120.0),
    "reversed_scan": Problem(replace(SCAN, reversed=True), scan_tensors, scan_inputs, reversed_scan),
    "scan_backward": Problem(SCAN_BACKWARD, backward_tensors, backward_inputs, backward),
    "sru": Problem(SRU, sru_tensors, sru_inputs, sru),
}
SIZES = ({"B": 2, "T": 67, "H": 33}, {"B": 1, "T": 600, "H": 40}, {"B": 1, "T": 1, "H": 5})
DTYPES = {"reversed_scan": ("float32",), "scan_backward": ("bfloat16",), "sru": ("bfloat16",)}
"""One each where the cell itself mixes float32 and the shape's dtype; both for the others."""
CASES = [
    (name, Shape.of(dtype, **sizes))
    for name in PROBLEMS
    for dtype in DTYPES.get(name, tuple(NUMPY_DTYPE))
    for sizes in SIZES
]
BOUND = {"float32": 1e-6, "bfloat16": 3e-3}


@pytest.fixture(scope="session")
def with_sru(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernels beside a header of one more cell: what adding a cell takes."""
    folder = tmp_path_factory.mktemp("cells")
    for name in ("scan", "include"):
        shutil.copytree(BUILTIN / name, folder / name, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (folder / "include" / "cell_sru.cuh").write_text(SRU_HEADER)
    chosen = folder / "include" / "cell.cuh"
    first = "#if defined(CELL_MINGRU)"
    text = chosen.read_text()
    assert text.count(first) == 1
    chosen.write_text(text.replace(first, f'#if defined(CELL_SRU)\n#include "cell_sru.cuh"\n#el{first[1:]}'))
    return folder / "scan"


@pytest.mark.sliced
@pytest.mark.parametrize(
    ("rung", "problem", "shape"), [(rung, *case) for rung in RUNGS for case in sliced(CASES, rung)]
)
def test_every_kernel_serves_every_cell(rung: str, problem: str, shape: Shape, with_sru: Path) -> None:
    errors = run(RUNGS[rung], PROBLEMS[problem], shape, with_sru)
    wrong = {name: error for name, (error, bound) in errors.items() if not error <= bound}
    assert not wrong, wrong


@pytest.mark.parametrize(
    "sizes", [SIZES[0], *(pytest.param(s, marks=pytest.mark.thorough) for s in SIZES[1:])], ids=str
)
@pytest.mark.parametrize("rung", RUNGS)
def test_a_scan_from_the_end_of_time_is_the_scan_of_flipped_inputs(rung: str, sizes: dict[str, int]) -> None:
    shape = Shape.of("float32", **sizes)
    made = scan_inputs(shape, np.random.default_rng(7))
    given = {name: np.ascontiguousarray(array, "float32") for name, array in made.items()}
    flipped = {**given, **{name: np.ascontiguousarray(given[name][:, ::-1]) for name in ("a", "b")}}
    sources = BUILTIN / "scan"
    forward = outputs(RUNGS[rung](SCAN), scan_tensors(shape), shape, flipped, sources)
    backward = outputs(RUNGS[rung](replace(SCAN, reversed=True)), scan_tensors(shape), shape, given, sources)
    expected = {"h": forward["h"][:, ::-1], "h_last": forward["h_last"]}
    for name, values in expected.items():
        if rung in FREE_ORDER:
            np.testing.assert_allclose(backward[name], values, rtol=2e-6, atol=1e-6)
        else:  # bit for bit
            assert np.array_equal(values.view("uint32"), backward[name].view("uint32"))
    if shape["T"] > 1:  # and time does run the other way
        assert not np.array_equal(forward["h"], backward["h"])


def run(
    rung: Callable[[Cell], Variant], problem: Problem, shape: Shape, sources: Path
) -> dict[str, tuple[float, float]]:
    """Each output's relative L2 error and its bound: as `check`, never under what storing costs."""
    random = np.random.default_rng(5)
    made = problem.inputs(shape, random)
    tensors = problem.tensors(shape)
    given = {t.name: made[t.name].astype(NUMPY_DTYPE[t.dtype]) for t in tensors if t.role == "input"}
    expected = problem.reference({name: array.astype(np.float64) for name, array in given.items()})
    written = outputs(rung(problem.cell), tensors, shape, given, sources)
    found = {}
    for name, value in written.items():
        right = expected[name]
        rounding = relative_error(right.astype(value.dtype), right)
        found[name] = (relative_error(value, right), max(BOUND[shape.dtype], 1.1 * rounding))
    return found


def outputs(
    variant: Variant, tensors: tuple[Tensor, ...], shape: Shape, given: Mapping[str, NDArray[Any]], sources: Path
) -> dict[str, NDArray[Any]]:
    """What a variant writes in the simulator, with its sources taken from another folder."""
    given_to_plan = (shape, variant.default_settings(), limits_for(ARCH))
    taken = len(signature(variant.plan).parameters)
    plan = in_folder(variant.plan(*given_to_plan[:taken]), sources)
    return executed(plan, tensors, given, shape.dtype, SCHEDULES["mixed"])
