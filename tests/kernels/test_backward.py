"""Every rung of every backward pass: right at any shape, under all checkers where it is a kernel, and in pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.campaign.mutate import FUZZ
from tests.kernels.covering import other_values, sliced
from tests.kernels.executed import catalog
from workbench.check.case import InputSet, checked_sets, make_set
from workbench.check.compare_outputs import compare_outputs, tolerances
from workbench.check.examine import ARCH, examine, simulated_binaries
from workbench.declare import Operation, Setting, Shape, Tolerance, Variant
from workbench.execute.load import load
from workbench.simulate.launch import Checks, Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan

pytestmark = pytest.mark.sliced

Arrays = Mapping[str, Any]
CATALOG = catalog()
MINGRU = ("gate", "scan", "gated_scan", "projection", "layer")
"""The ladder's own operations; those of other cells have tests of their own (test_other_cells.py)."""
RUNGS = {v.key: v for v in CATALOG.select(MINGRU, passes=["backward", "training"]) if v.factors.get("peer") != "yes"}
SEQUENCES = {key: v for key, v in RUNGS.items() if v.operation in ("scan", "gated_scan")}
DTYPES = ("float32", "bfloat16")


def operation_of(variant: Variant) -> Operation:
    return CATALOG.operation_of(variant)


def on_cpu(variant: Variant) -> bool:
    return "cpu" in variant.devices


KERNELS = [key for key, v in RUNGS.items() if not on_cpu(v)]
ON_CPU = [key for key, v in RUNGS.items() if on_cpu(v)]


def execute(variant: Variant, shape: Shape, inputs: Arrays, chosen: Mapping[str, Setting] | None = None) -> Arrays:
    """One evaluation: of a CPU's rung between guards, of a kernel in the simulator."""
    plan = variant.plan(shape, {**variant.default_settings(), **(chosen or {})})
    tensors = operation_of(variant).tensors(shape)
    if on_cpu(variant):
        bound = load(plan, tensors, [dict(inputs)], shape.dtype, "cpu")
        try:
            bound.poison()
            bound.run()
            return bound.outputs()
        finally:
            bound.close()
    memory = Memory()
    for tensor in tensors:
        if tensor.given:
            memory.put(tensor.name, inputs.get(tensor.name))
        else:
            memory.empty(tensor)
    run_plan(plan, shape.dtype, memory, simulated_binaries(plan, shape.dtype), ARCH, Options(checks=Checks.ALL))
    return {t.name: memory.array(t.name) for t in tensors if t.compared}


FEW = 100
"""Elements of an output below which it can be next to 0 as a whole: as the difference of terms that are not."""
SIZE_OF_TERMS = 1.0
"""Of those: incoming gradients and states are N(0, 1)."""
SCATTER = 1.5
"""Tolerances are those of errors' root mean square, to which so few elements do not average: all 38 gradients of an
output's weights hang on the same 38 steps, and were off by 1.4 of it once."""


def assert_right(key: str, shape: Shape, input_set: InputSet, chosen: Mapping[str, Setting] | None = None) -> None:
    """Within the operation's tolerance; few elements are held to the size of what went into them."""
    operation = operation_of(RUNGS[key])
    if RUNGS[key].supports(shape) is not None:
        return
    inputs, want = make_set(operation, shape, input_set)
    allowed = {
        name: Tolerance(SCATTER * one.relative, one.relative * SIZE_OF_TERMS) if want[name].size < FEW else one
        for name, one in tolerances(operation, shape).items()
    }
    found = compare_outputs(execute(RUNGS[key], shape, inputs, chosen), want, allowed)
    assert found.right, f"{key} {shape} {input_set.label}: {found.reason}"


def sizes(key: str, *values: int) -> dict[str, int]:
    return dict(zip(operation_of(RUNGS[key]).axes, values, strict=False))


@pytest.mark.parametrize("key", ON_CPU)
@settings(max_examples=5 if FUZZ == 1 else 20, deadline=None)
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 40), *[st.integers(1, 90)] * 3),
    dtype=st.sampled_from(DTYPES),
    regime=st.sampled_from(("normal", "slow", "saturated")),
    given_all=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_a_cpu_rung_is_right_at_any_shape(
    key: str, size: tuple[int, ...], dtype: str, regime: str, given_all: bool, seed: int
) -> None:
    regimes = operation_of(RUNGS[key]).regimes
    input_set = InputSet(regime if regime in regimes else regimes[0], seed, given_all)
    assert_right(key, Shape.of(dtype, **sizes(key, *size)), input_set)


@pytest.mark.thorough
@pytest.mark.parametrize("key", KERNELS)
@settings(max_examples=5, deadline=None, derandomize=True)
@given(
    size=st.tuples(st.integers(1, 3), st.integers(1, 150), *[st.integers(1, 70)] * 3),
    dtype=st.sampled_from(DTYPES),
    given_all=st.booleans(),
)
def test_a_kernel_is_right_at_any_shape(key: str, size: tuple[int, ...], dtype: str, given_all: bool) -> None:
    assert_right(key, Shape.of(dtype, **sizes(key, *size)), InputSet("normal", 1, given_all))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param((2, 67, 33, 19, 17), id="odd"),
        pytest.param((2, 1, 5, 3, 2), id="one_step", marks=pytest.mark.thorough),
    ],
)
@pytest.mark.parametrize(("key", "dtype"), [(key, dtype) for key in KERNELS for dtype in sliced(DTYPES, key)])
def test_a_kernel_comes_through_every_checker_and_schedule(key: str, dtype: str, values: tuple[int, ...]) -> None:
    variant, operation = RUNGS[key], operation_of(RUNGS[key])
    shape = Shape.of(dtype, **sizes(key, *values))
    if reason := variant.supports(shape):
        pytest.skip(reason)
    plan = variant.plan(shape, variant.default_settings())
    input_sets = (InputSet(operation.regimes[0], 0), *checked_sets(operation))
    verdict = examine(plan, operation, shape, input_sets, simulated_binaries(plan, dtype))
    assert verdict.right, verdict.reason


@pytest.mark.parametrize("key", sliced(list(RUNGS), "settings"))
def test_every_setting_is_right(key: str) -> None:
    shape = Shape.of("float32", **sizes(key, 1, 70, 40, 24, 24))
    for setting in other_values(RUNGS[key]):
        assert_right(key, shape, InputSet("normal", 2), dict([setting]))


@pytest.mark.parametrize("key", SEQUENCES)
def test_a_sequence_in_two_pieces_is_the_whole_in_gradients_too(key: str) -> None:
    """The later piece first: its dh0 is the earlier one's gh_last, and the earlier one's last state its h0."""
    variant, whole, cut = SEQUENCES[key], Shape.of("float32", B=2, T=75, H=33), 31
    operation = operation_of(variant)
    inputs, want = make_set(operation, whole, InputSet("slow", 5))
    state = inputs["h"][:, cut - 1].astype("float32")
    carried, rows = inputs["gh_last"], []
    for start, stop, h0 in ((cut, 75, state), (0, cut, inputs["h0"])):
        part = {n: np.ascontiguousarray(a[:, start:stop]) for n, a in inputs.items() if a.shape[1] == 75}
        shape = Shape.of("float32", B=2, T=stop - start, H=33)
        found = execute(variant, shape, {**part, "h0": h0, "gh_last": carried})
        rows.insert(0, found)
        carried = found["dh0"]
    joined = {n: carried if n == "dh0" else np.concatenate([r[n] for r in rows], 1) for n in want}
    found = compare_outputs(joined, want, tolerances(operation, whole))
    assert found.right, found.reason
