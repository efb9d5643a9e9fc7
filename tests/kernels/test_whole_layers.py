"""Whole layers of minLSTM and QRNN: every rung of forward pass and training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from tests.kernels.covering import sliced
from tests.kernels.differences import assert_gradient_is_a_difference
from tests.kernels.executed import Case, catalog, run
from workbench.declare import Arrays, Shape, Variant

pytestmark = pytest.mark.sliced

SIZES = {
    "minlstm_layer": {"B": 2, "T": 5, "D": 13, "H": 37},
    "qrnn_layer": {"B": 2, "T": 5, "D": 13, "H": 37, "window": 3},
}
STATES = {"minlstm_layer": "h", "qrnn_layer": "c"}
VARIANTS = catalog().select(list(SIZES))
TRAINED = [variant for variant in VARIANTS if variant.pass_ == "training" and variant.factors["source"] != "torch"]
CASES = [
    Case(variant.key, Shape.of(dtype, **{**SIZES[variant.operation], "T": T}), regime)
    for variant in VARIANTS
    for dtype, T, regime in sliced(
        [("float32", 5, "slow"), ("float32", 2, "normal"), ("bfloat16", 5, "slow")], variant.key
    )
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_layer_is_right(case: Case) -> None:
    """With fewer steps than its window has inputs, too."""
    allowed = catalog().operation(catalog().variant(case.variant).operation_key).tolerance[case.shape.dtype]
    found = run(case)
    of_each = allowed if isinstance(allowed, Mapping) else dict.fromkeys(found, allowed)
    assert {name for name, result in found.items() if not result.error <= of_each[name]} == set(), found


@pytest.mark.parametrize("variant", TRAINED, ids=lambda variant: variant.key)
def test_what_is_kept_lies_in_the_plan(variant: Variant) -> None:
    """x, pre, and the states of all steps; both ways may cut so long a time differently."""
    shape = Shape.of("float32", **{**SIZES[variant.operation], "T": 4000})
    settings = variant.default_settings()
    scratch = variant.plan(shape, settings).scratch
    held = {t.name: t.nbytes for t in (*catalog().operation(variant.operation_key).tensors(shape), *scratch)}
    kept = held["x"] + held["pre"] + held[STATES[variant.operation]]
    assert variant.cost(shape, settings).kept_bytes == kept


@pytest.mark.parametrize("operation", SIZES)
@pytest.mark.parametrize("name", ["x", "w", "bias", "first"])
def test_gradients_of_the_reference_are_finite_differences(operation: str, name: str) -> None:
    shape = Shape.of("float32", **{**SIZES[operation], "D": 3, "H": 3})
    state = STATES[operation]
    given = f"{state}0" if name == "first" else name
    assert_gradient_is_a_difference(operation, shape, given, {"h": "gh", f"{state}_last": f"g{state}_last"})


@pytest.mark.parametrize(("key", "row"), [("minlstm_layer/training", (0, 2)), ("layer/training", (1,))])
def test_no_candidate_of_a_training_lies_at_the_kink(key: str, row: tuple[int, ...]) -> None:
    """One v among four millions whose sign float32 changed put a right variant's gradients out by 1e-4."""
    operation = catalog().operation(key)
    shape = Shape.of("float32", **{**operation.axes, "B": 8, "T": 512, "D": 64, "H": 128})
    made = operation.make_inputs(shape, "normal", np.random.default_rng(0))
    drawn = catalog().operation(key.split("/")[0]).make_inputs(shape, "normal", np.random.default_rng(0))

    def nearest(inputs: Arrays) -> float:
        w, bias = inputs["w"][row].astype(np.float64), inputs["bias"][row[-1]]
        return float(np.abs(inputs["x"] @ w.T + bias).min())

    assert nearest(drawn) < 5e-6 < 9e-6 < nearest(made)
    assert np.abs(made["x"] - drawn["x"]).max() < 0.02, "hardly moved"
