"""The rungs of minLSTM, SRU and QRNN: each executed in each pass, with every regime in one problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from kernel_variants.gated_scan.backward import VANISHED
from kernel_variants.minlstm_scan import in_torch
from kernel_variants.scan.grid_and_tile import Tile
from kernel_variants.scan.split_in_time import BOARD_BYTES
from tests.kernels.covering import sliced
from tests.kernels.executed import catalog, executed, libraries
from workbench.check.case import InputSet, make_set
from workbench.check.compare_outputs import compare_outputs, tolerances
from workbench.check.examine import ARCH
from workbench.compile import Binary, build_units, units_of
from workbench.declare import Kernel, Operation, Setting, Shape, Variant
from workbench.simulate.counters import global_sectors
from workbench.simulate.launch import Checks, Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan
from workbench.steps import leaves_of

pytestmark = pytest.mark.sliced

CATALOG = catalog()
OPERATIONS = ("minlstm_scan", "sru_scan", "sru2_scan", "qrnn_window", "qrnn_pool")
RUNGS = {v.key: v for v in CATALOG.select(OPERATIONS)}
SMALL: Mapping[str, Setting] = {"chunk": 64, "tile": "4x8x1", "slice": 32, "vector": 4}
"""Settings with which a small problem has several chunks, tiles and slices."""
SIZES = {"B": 3, "T": 71, "H": 37, "D": 5, "window": 3}
FORMS = {
    "float32": {"directions": 1, "phi": 2, "rows": 3, "dropout": 1},
    "bfloat16": {"directions": 2, "phi": 1, "rows": 4, "dropout": 2},
}
"""One direction, tanh and the layer's input for the highway; both directions, the identity, a product of its own and
dropout."""
SECTOR_BYTES = 32


def operation_of(key: str) -> Operation:
    return CATALOG.operation_of(RUNGS[key])


def has_kernel(variant: Variant) -> bool:
    shape = Shape.of(**CATALOG.operation_of(variant).small)
    return any(isinstance(step, Kernel) for step in leaves_of(variant.plan(shape, variant.default_settings()).steps))


def shape_of(key: str, dtype: str, sizes: Mapping[str, int]) -> Shape:
    """With the forms of the cell that go with the dtype: each form is then compiled once."""
    return Shape.of(dtype, **{axis: {**sizes, **FORMS[dtype]}[axis] for axis in operation_of(key).axes})


def settings_of(variant: Variant) -> dict[str, Setting]:
    return {**variant.default_settings(), **{name: SMALL[name] for name in variant.settings if name in SMALL}}


def every_regime(operation: Operation, shape: Shape) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and references with a sequence of each regime: sets of one sequence each, laid side by side. Where
    sequences share weights, and sum up their gradients, one regime, by the dtype."""
    if operation.name in ("sru2_scan", "qrnn_window"):
        slow = "slow" in operation.regimes and shape.dtype == "float32"
        return make_set(operation, shape, InputSet("slow" if slow else operation.regimes[0], 3))
    one = Shape.of(shape.dtype, **{**shape.as_dict(), "B": 1})
    input_sets = [make_set(operation, one, InputSet(regime, 3)) for regime in operation.regimes]
    whole = {t.name: t.shape for t in operation.tensors(shape)}
    single = {t.name: t.shape for t in operation.tensors(one)}

    def joined(name: str, parts: list[Any]) -> Any:
        over = [axis for axis, size in enumerate(whole[name]) if size != single[name][axis]]
        return np.concatenate(parts, over[0])

    inputs, want = (
        {name: joined(name, [d[side][name] for d in input_sets]) for name in input_sets[0][side]} for side in (0, 1)
    )
    return inputs, want


CASES = [
    (key, dtype)
    for key, v in RUNGS.items()
    for dtype in sliced(["float32"] if v.name == "simd" else ["float32", "bfloat16"], key)
    if not v.known_loss
]
"""Of each rung one dtype, the other of another; both of each in `make fuzz`, but `simd` in bfloat16: its arithmetic is
that of `streaming`, in a library more to compile."""


@pytest.mark.parametrize(("key", "dtype"), CASES)
def test_a_rung_is_right_under_every_checker(key: str, dtype: str) -> None:
    sizes = {**SIZES, "H": 48} if RUNGS[key].name == "streaming" and dtype == "float32" else SIZES  # whole lines
    operation, shape = operation_of(key), shape_of(key, dtype, sizes)
    inputs, want = every_regime(operation, shape)
    plan = RUNGS[key].plan(shape, settings_of(RUNGS[key]))
    found = executed(plan, operation.tensors(shape), inputs, dtype, Options(checks=Checks.ALL))
    compared = compare_outputs(found, want, tolerances(operation, shape))
    assert compared.right, compared.reason


@pytest.mark.parametrize(
    ("key", "forms"),
    sliced(
        [("sru_scan/backward/three_phase", {"phi": 1}), *((key, {}) for key, v in RUNGS.items() if has_kernel(v))], ""
    ),
)
def test_a_kernel_moves_what_it_declares(key: str, forms: Mapping[str, int]) -> None:
    """Whole sectors that loads, stores and asynchronous copies ask for, at sizes that leave none in part. Without tanh
    SRU's summaries of chunks need neither v nor c."""
    operation, shape = operation_of(key), shape_of(key, "float32", {"B": 1, "T": 256, "H": 32})
    shape = Shape.of(shape.dtype, **{**shape.as_dict(), **forms})
    settings = settings_of(RUNGS[key])
    if "look_back" in key:
        settings = RUNGS[key].default_settings()
    plan = RUNGS[key].plan(shape, settings)
    memory = Memory()
    memory.fill((*operation.tensors(shape), *plan.scratch), make_set(operation, shape, InputSet("normal", 1))[0])
    counted = run_plan(plan, shape.dtype, memory, libraries(units_of(plan, shape.dtype, [ARCH])), ARCH, Options())
    moved = sum(SECTOR_BYTES * global_sectors(counts) for counts in counted if counts)
    again = 2 * 4 * shape["T"] * shape["H"] if operation.name == "sru2_scan" else 0  # w at every step, out of a cache
    if "look_back" in key:  # each tile asks all those before it, out of a cache too
        tiles = shape["T"] // Tile.of(settings).length
        again += BOARD_BYTES * shape["H"] * tiles * (tiles - 1) // 2
    declared = RUNGS[key].cost(shape, settings).bytes
    assert 0.95 * declared <= moved <= 1.05 * declared + again


@pytest.mark.parametrize("key", ["qrnn_pool/serial_gated", "qrnn_pool/streaming", "qrnn_pool/eager",
                                 "qrnn_pool/backward/serial_gated", "qrnn_pool/backward/streaming",
                                 "qrnn_pool/backward/autograd"])  # fmt: skip
def test_pooling_without_an_output_gate_is_right(key: str) -> None:
    operation, shape = operation_of(key), Shape.of("float32", **{**SIZES, "rows": 2})
    inputs, want = every_regime(operation, shape)
    plan = RUNGS[key].plan(shape, settings_of(RUNGS[key]))
    found = executed(plan, operation.tensors(shape), inputs, "float32", Options(checks=Checks.ALL))
    compared = compare_outputs(found, want, tolerances(operation, shape))
    assert compared.right, compared.reason


def test_a_sum_of_gradients_that_vanish_is_zero_however_many_they_are() -> None:
    """Where both gates are at their ends every term of dw is e^-60 to one and e^-100 to the other; a sum of thousands
    of them passed a bound made for one."""
    key = "sru2_scan/backward/streaming"
    operation, shape = operation_of(key), shape_of(key, "float32", {**SIZES, "B": 64, "T": 2048, "H": 16})
    inputs, want = make_set(operation, shape, InputSet("saturated", 101))
    assert 0 < np.abs(want["dw"]).max() < 1e-30
    plan = RUNGS[key].plan(shape, RUNGS[key].default_settings())
    found = executed(plan, operation.tensors(shape), inputs, "float32", Options())
    assert np.abs(found["dw"]).max() > VANISHED
    compared = compare_outputs(found, want, tolerances(operation, shape))
    assert compared.right, compared.reason
    found["dw"] += 1e-12
    assert not compare_outputs(found, want, tolerances(operation, shape)).right


@pytest.mark.thorough
def test_steps_held_in_registers_fit_them_on_sm_90() -> None:
    """Of the kernels that hold several steps, compiled for the cells that hold most of each."""
    held = [v for v in RUNGS.values() if v.pass_ == "backward" and v.name in ("prefetch", "ring", "look_back_free")]
    plans = {v.key: v.plan(shape_of(v.key, "float32", SIZES), v.default_settings()) for v in held}
    units = {unit: key for key, plan in plans.items() for unit in units_of(plan, "float32", ["sm_90"])}
    for unit, binary in build_units(list(units)).items():
        assert isinstance(binary, Binary), units[unit]
        spilled = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", binary.log)
        assert spilled and set(spilled) == {("0", "0")}, units[unit]


@pytest.mark.parametrize("logit", [-60.0, -90.0])
def test_minlstm_s_quotient_has_no_gradients_where_both_gates_vanish(logit: float) -> None:
    """Both gates of one size: f / (f + i) is 1/2 at any logit, and so is what the logit form makes of it."""
    pre = torch.full((1, 4, 3, 8), logit)
    pre[:, :, 2] = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    h0, gh = torch.ones(1, 8), torch.ones(1, 4, 8)
    exact, _ = in_torch.autograd(pre.double(), None, h0.double(), gh, None, in_torch.by_logit)
    for gates, holds in ((in_torch.by_quotient, logit == -60.0), (in_torch.by_logit, True)):
        gradients, _ = in_torch.autograd(pre, None, h0, gh, None, gates)
        assert bool(gradients.isfinite().all()) is holds
        if holds:
            torch.testing.assert_close(gradients, exact.float(), rtol=1e-5, atol=1e-6)
