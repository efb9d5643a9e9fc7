"""Cells whose gates need the state: every rung of both passes, and the references against torch's own layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.covering import sliced
from tests.kernels.differences import assert_gradient_is_a_difference
from tests.kernels.executed import SCHEDULES, Case, Result, catalog, executed, libraries, relative_error, run
from workbench.check.examine import ARCH
from workbench.compile import units_of
from workbench.declare import Kernel, Shape, Variant
from workbench.simulate.counters import global_sectors
from workbench.simulate.launch import Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan
from workbench.steps import launches_of, leaves_of, unrolled

pytestmark = pytest.mark.sliced

CELLS = ("rnn", "gru", "lstm")
PASSES = ("forward", "training")
VARIANTS = {variant.key: variant for variant in catalog().select(CELLS, passes=list(PASSES))}
SIZES = {"B": 3, "T": 5, "D": 7, "H": 37}
"""H beyond one warp's lanes and no multiple of them; B of several sequences, whose seams a flat product crosses."""
IN_BLOCKS = (("block_of_time", 2),)
SECTOR_BYTES = 32


CASES = [
    (key, *case)
    for key, variant in VARIANTS.items()
    for case in sliced(
        [
            (dtype, regime)
            for regime in ("normal", "slow", "saturated")
            for dtype in (("float32",) if variant.known_loss else ("float32", "bfloat16"))
        ],
        key,
    )
]


@pytest.mark.parametrize(("key", "dtype", "regime"), CASES)
def test_is_right(key: str, dtype: str, regime: str) -> None:
    """With first states, and gradients of the last ones."""
    variant = VARIANTS[key]
    settings_ = IN_BLOCKS if "block_of_time" in variant.settings else ()
    found = run(Case(key, Shape.of(dtype, **SIZES), regime, settings=settings_))
    assert_within(variant, dtype, found)


OURS = {"float32": 2e-6, "bfloat16": 4e-3}
THROUGH_ROUNDED_GATES = 8e-3
"""Of gradients in bf16: a logit that was shifted by 4 is off by a hundredth once it has crossed memory."""


def assert_within(variant: Variant, dtype: str, found: Mapping[str, Result]) -> None:
    """What the operation allows is a library's; rungs of our own keep their states and gradients better."""
    declared = catalog().operation_of(variant)
    assert set(found) == {tensor.name for tensor in declared.tensors(Shape.of(dtype, **SIZES)) if tensor.compared}
    loose = declared.tolerance[dtype]
    assert isinstance(loose, float)
    is_peer, of_gradients = "peer" in variant.factors, max(OURS[dtype], THROUGH_ROUNDED_GATES * (dtype == "bfloat16"))
    allowed = {name: loose if is_peer else of_gradients if name[0] == "d" else OURS[dtype] for name in found}
    assert {name for name, result in found.items() if not result.error <= allowed[name]} == set(), found


@pytest.mark.parametrize("key", VARIANTS)
def test_what_is_not_given_is_0(key: str) -> None:
    """First states forwards, what the loss says of the last ones in training."""
    variant = VARIANTS[key]
    shape = Shape.of("float32", **SIZES)
    absent = tuple(tensor.name for tensor in catalog().operation_of(variant).tensors(shape) if tensor.optional)
    settings_ = IN_BLOCKS if "block_of_time" in variant.settings else ()
    assert_within(variant, "float32", run(Case(key, shape, absent=absent, settings=settings_)))


def part_of(given: Mapping[str, Any], states: Mapping[str, Any], times: slice) -> dict[str, Any]:
    """What a part of time is given: steps of what has them, and states of its own."""
    own = {name: given[name][:, times] for name in ("x", "gh") if name in given}
    return {**given, **own, **states}


@pytest.mark.parametrize("key", [key for key in VARIANTS if "/training/" in key])
@settings(max_examples=2, deadline=None)
@given(cut=st.integers(1, SIZES["T"] - 1), seed=st.integers(0, 2**16))
def test_split_and_carried_is_the_whole(key: str, cut: int, seed: int) -> None:
    """Forwards from the first part into the second, gradients from the second back into the first; what is summed over
    time is the sum of both parts'."""
    variant = VARIANTS[key]
    operation, states = catalog().operation_of(variant), ("h", "s") if key.startswith("lstm") else ("h",)
    made = operation.make_inputs(Shape.of("float32", **SIZES), "normal", np.random.default_rng(seed))

    def trained(values: Mapping[str, Any]) -> dict[str, Any]:
        shape = Shape.of("float32", **{**SIZES, "T": values["x"].shape[1]})
        given_ = {tensor.name: np.ascontiguousarray(values[tensor.name], np.float32)
                  for tensor in operation.tensors(shape) if tensor.given}  # fmt: skip
        chosen = variant.default_settings() | (dict(IN_BLOCKS) if "block_of_time" in variant.settings else {})
        return executed(variant.plan(shape, chosen), operation.tensors(shape), given_, "float32", SCHEDULES["in_order"])

    whole = trained(made)
    early, late = slice(0, cut), slice(cut, None)
    nothing = {f"g{state}_last": np.zeros_like(made["h0"]) for state in states}
    carried = trained(part_of(made, nothing, early))
    second = trained(part_of(made, {f"{state}0": carried[f"{state}_last"] for state in states}, late))
    first = trained(part_of(made, {f"g{state}_last": second[f"d{state}0"] for state in states}, early))
    found = {name: np.concatenate((first[name], second[name]), 1) for name in ("h", "dx")}
    found |= {name: first[name] + second[name] for name in ("dw", "du", "dbias")}
    for state in states:
        found |= {f"{state}_last": second[f"{state}_last"], f"d{state}0": first[f"d{state}0"]}
    assert set(found) == set(whole)
    wrong = {name: relative_error(found[name], whole[name].astype(np.float64)) for name in whole}
    assert max(wrong.values()) <= 2e-6, wrong


@pytest.mark.parametrize("sizes", [{"B": 1, "T": 1, "D": 1, "H": 1}, {"B": 2, "T": 1, "D": 3, "H": 33}], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_one_step_has_no_step_before(cell: str, sizes: Mapping[str, int]) -> None:
    for pass_, order in (("", "mixed"), ("training/", "delayed")):
        found = run(Case(f"{cell}/{pass_}per_step", Shape.of("float32", **sizes), order=order))
        assert max(result.error for result in found.values()) <= 1e-5, found


def by_torch(cell: str, made: Mapping[str, Any]) -> dict[str, Any]:
    """Of torch's own layer in float64, and its autograd."""
    given = {name: torch.tensor(np.asarray(array, np.float64)) for name, array in made.items()}
    layer = getattr(torch.nn, cell.upper())(
        given["w"].shape[1], given["u"].shape[1], batch_first=True, dtype=torch.float64
    )
    parts = {"weight_ih_l0": given["w"], "weight_hh_l0": given["u"]}
    layer.load_state_dict({**parts, "bias_ih_l0": given["bias"][0], "bias_hh_l0": given["bias"][1]})
    states = [state for state in "hs" if f"{state}0" in given]
    x, *initial = (given[name].requires_grad_() for name in ("x", *(f"{state}0" for state in states)))
    h, last = layer(x, tuple(state[None] for state in initial) if len(states) > 1 else initial[0][None])
    last = [state[0] for state in (last if len(states) > 1 else (last,))]
    said = (given["gh"], *(given[f"g{state}_last"] for state in states))
    dx, dw, du, b, c, *into = torch.autograd.grad((h, *last), (x, *layer.parameters(), *initial), said)
    found = {"h": h, "dx": dx, "dw": dw, "du": du, "dbias": torch.stack((b, c))}
    for state, value, gradient in zip(states, last, into, strict=True):
        found |= {f"{state}_last": value, f"d{state}0": gradient}
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=15, deadline=None)
@given(
    size=st.lists(st.integers(1, 6), min_size=4, max_size=4),
    seed=st.integers(0, 2**16),
    regime=st.sampled_from(("normal", "slow", "saturated")),
)
def test_the_references_are_torch_s_layers(cell: str, size: list[int], seed: int, regime: str) -> None:
    operation = catalog().operation(f"{cell}/training")
    shape = Shape.of("float32", **dict(zip("BTDH", size, strict=True)))
    made = operation.make_inputs(shape, regime, np.random.default_rng(seed))
    wide = {name: np.asarray(array, np.float64) for name, array in made.items()}
    found, right = operation.reference(shape, wide), by_torch(cell, made)
    assert set(found) == set(right)
    for name, array in right.items():
        assert np.abs(found[name] - array).max() <= 1e-12 * max(1e-3, np.abs(array).max()), name
    forward = catalog().operation(cell).reference(shape, wide)
    assert all(np.array_equal(values, found[name]) for name, values in forward.items())


@pytest.mark.parametrize(
    ("cell", "name"),
    [*((cell, name) for cell in CELLS for name in ("x", "w", "u", "bias", "h0")), ("lstm", "s0")],
)
def test_gradients_of_the_reference_are_finite_differences(cell: str, name: str) -> None:
    incoming = {"h": "gh", "h_last": "gh_last"} | ({"s_last": "gs_last"} if cell == "lstm" else {})
    assert_gradient_is_a_difference(cell, Shape.of("float32", B=2, T=4, D=3, H=3), name, incoming)


@pytest.mark.parametrize("cell", CELLS)
def test_regimes_are_what_they_are_called(cell: str) -> None:
    """Where memory is long a first state's gradient reaches the last state; where gates are at their ends, hardly any
    logit's gradient is left in two of three channels."""
    operation, shape = catalog().operation(f"{cell}/training"), Shape.of("float32", B=2, T=20, D=8, H=24)
    reaches, moved = {}, {}
    for regime in operation.regimes:
        made = operation.make_inputs(shape, regime, np.random.default_rng(0))
        wide = {name: np.asarray(array, np.float64) for name, array in made.items()}
        found = operation.reference(shape, wide)
        moved[regime] = np.mean(np.abs(found["dbias"][0]) < 1e-12)
        state = "s" if cell == "lstm" else "h"
        quiet = {name: np.zeros_like(wide[name]) for name in wide if name.startswith("g")}
        only = operation.reference(shape, {**wide, **quiet, f"g{state}_last": wide[f"g{state}_last"]})
        reaches[regime] = np.linalg.norm(only[f"d{state}0"])
    assert reaches["slow"] > 10 * reaches["normal"], reaches
    assert moved["normal"] == moved["slow"] == 0 and moved["saturated"] > 0.3, moved


@pytest.mark.parametrize("regime", ["normal", "slow", "saturated"])
@pytest.mark.parametrize("cell", CELLS)
def test_rounding_stays_small_over_many_steps(cell: str, regime: str) -> None:
    """Inputs whose gradients grow with T would have right kernels judged wrong: an LSTM's did, which held its state for
    ever and wrote to it."""
    operation = catalog().operation(f"{cell}/training")
    shape = Shape.of("float32", B=4, T=1000, D=1, H=64)
    inputs = operation.make_inputs(shape, regime, np.random.default_rng(1))
    exact = operation.reference(shape, {name: value.astype(np.float64) for name, value in inputs.items()})
    for name, value in operation.reference(shape, inputs).items():
        assert relative_error(value, exact[name]) < 5e-6, name


@pytest.mark.parametrize("key", [key for key in VARIANTS if key.split("/")[-1].startswith("per_step")])
def test_steps_that_wait_are_launches(key: str) -> None:
    """Declared are a launch per step and pass, and the library's few products."""
    variant = VARIANTS[key]
    shape = Shape.of("float32", B=2, T=300, D=8, H=40)
    plan = variant.plan(shape, variant.default_settings())
    passes = 2 if variant.pass_ == "training" else 1
    kernels = sum(isinstance(step, Kernel) for step in leaves_of(plan.steps))
    cost = variant.cost(shape, variant.default_settings())
    assert kernels == passes and cost.serial_steps == 300 * passes
    assert 300 * passes <= launches_of(plan) <= cost.launches <= 300 * passes + 10
    assert plan.graph == key.endswith("graph")


@pytest.mark.parametrize(("T", "block"), [(1, 2), (4, 2), (3, 1), (5, 8)])
@pytest.mark.parametrize("name", ["blocks_per_step", "training/blocks_per_step", "training/blocks_gates_graph"])
@pytest.mark.parametrize("cell", CELLS)
def test_blocks_of_any_length_are_right(cell: str, name: str, T: int, block: int) -> None:
    shape = Shape.of("float32", B=2, T=T, D=3, H=33)
    order = "delayed" if block == 1 else "in_order"
    found = run(Case(f"{cell}/{name}", shape, order=order, settings=(("block_of_time", block),)))
    assert max(result.error for result in found.values()) <= 1e-5, found


@pytest.mark.parametrize("cell", CELLS)
def test_training_in_blocks_keeps_states_and_a_block(cell: str) -> None:
    """What is declared as kept is the memory that the plan asks for: a block's gates and, of an LSTM, its inner state
    between blocks; done again are all steps but the last block's, one by one or at once."""
    shape = Shape.of("float32", B=2, T=70, D=8, H=40)
    given = 4 * 2 * 70 * (8 + 40)
    costs = {}
    for name, steps in (("per_step", 140), ("blocks_per_step", 204), ("blocks_gates_graph", 140)):
        variant = VARIANTS[f"{cell}/training/{name}"]
        chosen = variant.default_settings()
        plan, cost = variant.plan(shape, chosen), variant.cost(shape, chosen)
        scratch = {tensor.name: tensor.nbytes for tensor in plan.scratch}
        assert cost.kept_bytes == given + scratch["kept"] + scratch.get("inners", 0), name
        assert ("inners" in scratch) == (cell == "lstm" and name != "per_step")
        assert cost.serial_steps == steps and launches_of(plan) <= cost.launches <= launches_of(plan) + 30
        costs[name] = cost
    whole, blocks = (costs[name].kept_bytes - given for name in ("per_step", "blocks_per_step"))
    assert blocks / whole == pytest.approx(32 / 70, abs=0.02)
    assert costs["blocks_per_step"].matrix_flops > costs["per_step"].matrix_flops


@pytest.mark.parametrize(("cell", "gates", "rows"), [("rnn", 1, 3), ("gru", 3, 10), ("lstm", 4, 13)])
def test_gates_done_again_move_what_they_are_made_of(cell: str, gates: int, rows: int) -> None:
    """Rows per step, of p, q and what is kept: whole sectors that the kernel asks for. Once, the offset, and of an LSTM
    the inner state before the block."""
    shape, steps = Shape.of("float32", B=1, T=24, D=8, H=32), 16
    variant = VARIANTS[f"{cell}/training/blocks_gates_graph"]
    plan = variant.plan(shape, {**variant.default_settings(), "block_of_time": steps})
    operation, memory = catalog().operation_of(variant), Memory()
    made = operation.make_inputs(shape, "normal", np.random.default_rng(0))
    memory.fill((*operation.tensors(shape), *plan.scratch), made)
    counted = run_plan(plan, "float32", memory, libraries(units_of(plan, "float32", [ARCH])), ARCH, Options())
    done = zip(unrolled(plan.steps), counted, strict=True)
    (again,) = (counts for step, counts in done if isinstance(step, Kernel) and "again" in step.source.name)
    assert again is not None
    assert SECTOR_BYTES * global_sectors(again) == 4 * 32 * (rows * steps + gates + (cell == "lstm"))


@pytest.mark.parametrize("cell", CELLS)
def test_autograd_keeps_about_what_is_declared_and_blocks_keep_less(cell: str) -> None:
    shape = Shape.of("float32", B=4, T=64, D=32, H=32)
    operation = catalog().operation(f"{cell}/training")
    made = operation.make_inputs(shape, "normal", np.random.default_rng(0))
    names = [tensor.name for tensor in operation.tensors(shape) if tensor.given]
    tensors = [torch.tensor(made[name]) for name in names]
    weights = sum(tensor.numel() * 4 for tensor in tensors[1:4])
    assert names[:4] == ["x", "w", "u", "bias"]
    declared: dict[str, int] = {}
    seen: dict[str, int] = {}
    for name, settings_ in (("autograd", {}), ("in_blocks", {"block_of_time": 16})):
        variant = VARIANTS[f"{cell}/training/{name}"]
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        (step,) = variant.plan(shape, settings_).steps
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            step.function(*tensors)
        declared[name] = variant.cost(shape, settings_).kept_bytes
        seen[name] = sum(kept.values()) - weights
    whole, x_bytes = seen["autograd"], tensors[0].numel() * 4
    assert declared["autograd"] == pytest.approx(whole, rel=0.05)
    # The steps of a block are kept while it is done again: a quarter of all of them, which no hook around it sees.
    assert declared["in_blocks"] == pytest.approx(seen["in_blocks"] + (whole - x_bytes) / 4, rel=0.05)
