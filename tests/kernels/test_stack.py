"""Layers on top of each other: every rung forwards and in training, and what its blocks of time and branches hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.kernels.covering import sliced
from tests.kernels.differences import assert_gradient_is_a_difference, in_float64
from tests.kernels.executed import Case, catalog, executed, run
from workbench.declare import Concurrent, Plan, Shape, Variant
from workbench.simulate.launch import Options
from workbench.steps import leaves_of

pytestmark = pytest.mark.sliced

VARIANTS = catalog().select(["stack"])
BLOCKS = [variant for variant in VARIANTS if variant.factors["time"] == "blocks"]
TRAINED = [variant for variant in VARIANTS if variant.pass_ == "training" and variant.factors["source"] != "torch"]
PIPELINES = [variant for variant in BLOCKS if variant.factors["layers"] == "pipelined"]


def shape_of(directions: int = 1, dtype: str = "float32", **sizes: int) -> Shape:
    return Shape.of(dtype, **{"B": 2, "T": 11, "H": 37, "layers": 3, **sizes}, directions=directions)


ALONE = shape_of(B=1, T=1, layers=1)
SHAPES = (
    (shape_of(), "slow"),
    (shape_of(2), "normal"),
    (shape_of(dtype="bfloat16"), "slow"),
    (shape_of(2, "bfloat16"), "normal"),
)
CASES = [
    *(
        Case(variant.key, shape, regime)
        for variant in VARIANTS
        for shape, regime in sliced([one for one in SHAPES if variant.supports(one[0]) is None], variant.key)
    ),
    *(
        pytest.param(Case(variant.key, ALONE, "normal"), marks=pytest.mark.thorough)
        for variant in VARIANTS
        if variant.supports(ALONE) is None
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_stack_is_right(case: Case) -> None:
    """In blocks too: each starts from the state that the one before has left, and hands its gradient back."""
    allowed = catalog().operation(catalog().variant(case.variant).operation_key).tolerance[case.shape.dtype]
    found = run(case)
    of_each = allowed if isinstance(allowed, Mapping) else dict.fromkeys(found, allowed)
    assert {name for name, result in found.items() if not result.error <= of_each[name]} == set(), found


def test_blocks_of_time_refuse_both_directions() -> None:
    assert {v.key for v in VARIANTS if v.supports(shape_of(2))} == {v.key for v in BLOCKS}


def outputs(variant: Variant, plan: Plan, shape: Shape) -> dict[str, bytes]:
    operation = catalog().operation(variant.operation_key)
    given = operation.make_inputs(shape, "normal", np.random.default_rng(0))
    found = executed(plan, operation.tensors(shape), given, "float32", Options())
    return {name: array.tobytes() for name, array in found.items()}


def last_branch_first(plan: Plan) -> Plan:
    steps = (replace(s, branches=s.branches[::-1]) if isinstance(s, Concurrent) else s for s in plan.steps)
    return replace(plan, steps=tuple(steps))


@pytest.mark.parametrize("variant", PIPELINES, ids=lambda variant: variant.key)
def test_no_branch_waits_for_another(variant: Variant) -> None:
    shape = shape_of()
    plan = variant.plan(shape, variant.default_settings())
    assert max(len(step.branches) for step in plan.steps if isinstance(step, Concurrent)) == shape["layers"]
    assert outputs(variant, last_branch_first(plan), shape) == outputs(variant, plan, shape)


@pytest.mark.parametrize("variant", TRAINED, ids=lambda variant: variant.key)
def test_what_is_kept_lies_in_the_plan(variant: Variant) -> None:
    """The figure is of x and of those tensors that lie between both ways: of all steps, or of a block and the states
    between blocks."""
    operation, shape = catalog().operation(variant.operation_key), shape_of(T=1100)
    settings = variant.default_settings()
    plan = variant.plan(shape, settings)
    held = {tensor.name: tensor.nbytes for tensor in (*operation.tensors(shape), *plan.scratch)}
    kept = held["x"] + held["kv"] + held["h"] + held.get("carried", 0)
    assert variant.cost(shape, settings).kept_bytes == kept
    longer = shape_of(T=5000)
    more = variant.plan(longer, settings).scratch
    grows = {new.name for new, old in zip(more, plan.scratch, strict=True) if new.nbytes > 2 * old.nbytes}
    grown = {"unrolled": {"kv", "h", "g", "dkv"}, "pipelined": {"kv", "h", "carried"}, "blocks": {"carried"}}
    assert grows == grown[variant.name.partition("_")[0]]


def test_a_pipeline_is_as_deep_as_blocks_and_layers_and_launches_what_blocks_do() -> None:
    shape = shape_of(T=4096)
    in_turn, pipelined = (catalog().variant(f"stack/{name}") for name in ("blocks", "pipelined"))
    settings = in_turn.default_settings()
    blocks = 4096 // int(settings["steps"])
    assert pipelined.cost(shape, settings).serial_steps == (blocks + 3 - 1) * 256
    assert in_turn.cost(shape, settings).serial_steps == 3 * 4096
    leaves = [len(list(leaves_of(v.plan(shape, settings).steps))) for v in (in_turn, pipelined)]
    assert leaves[0] == leaves[1] == (2 * 3 + 1) * blocks


def test_blocks_move_inputs_and_outputs_and_what_a_pipeline_keeps() -> None:
    """All else stays in the cache: x twice in training, states between blocks and what is kept written and read."""
    shape = shape_of(B=4, T=4096, H=512, layers=4)
    value, states = 4 * 4 * 4096 * 512, 4 * 4 * 4 * 512
    for pass_, more in (("", {"blocks": 0, "pipelined": 0, "pipelined_fused": 0}),
                        ("training/", {"blocks": 1, "pipelined": 1 + 2 * 3 * 4})):  # fmt: skip
        for name, values in more.items():
            variant = catalog().variant(f"stack/{pass_}{name}")
            moved = variant.cost(shape, variant.default_settings()).bytes
            least = catalog().operation(variant.operation_key).least(shape).bytes
            assert moved - least == values * value + (2 * 15 * states if pass_ else 0), variant.key


# ---------------------------------------------------------------------------------------------------- references


def test_gradients_of_the_reference_are_those_of_autograd() -> None:
    shape = shape_of(2, T=5, H=3)
    given = in_float64("stack", shape)
    leaves = {name: torch.tensor(given[name]).requires_grad_() for name in ("x", "w", "bias", "h0")}
    x, last = leaves["x"], []
    for layer in range(3):
        rows = []
        for direction in range(2):
            kv = torch.einsum("btd,phd->btph", x, leaves["w"][layer, direction]) + leaves["bias"][layer, direction]
            state, found = leaves["h0"][layer, direction], {}
            for t in reversed(range(5)) if direction else range(5):
                k, v = kv[:, t].unbind(1)
                candidate = torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
                state = found[t] = torch.sigmoid(-k) * state + torch.sigmoid(k) * candidate
            rows.append(torch.stack([found[t] for t in range(5)], 1))
            last.append(state)
        x = torch.cat(rows, -1)
    right = {"y": x.view(2, 5, 2, 3), "h_last": torch.stack(last).view(3, 2, 2, 3)}
    sent = [torch.tensor(given["gy"]), torch.tensor(given["gh_last"])]
    gradients = torch.autograd.grad(tuple(right.values()), tuple(leaves.values()), sent)
    right |= {f"d{name}": gradient for name, gradient in zip(leaves, gradients, strict=True)}
    found = catalog().operation("stack/training").reference(shape, given)
    assert set(found) == set(right)
    for name, tensor in right.items():
        np.testing.assert_allclose(found[name], tensor.detach().numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", ["x", "w", "bias", "h0"])
def test_gradients_of_the_reference_are_finite_differences(name: str) -> None:
    incoming = {"y": "gy", "h_last": "gh_last"}
    assert_gradient_is_a_difference("stack", shape_of(2, T=4, H=3), name, incoming)
