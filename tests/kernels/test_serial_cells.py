"""Cells whose gates need the state: every rung of both passes, and the references against torch's own layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.differences import assert_gradient_is_a_difference
from tests.kernels.executed import Case, catalog, libraries, run
from workbench.check.examine import ARCH
from workbench.compile import units_of
from workbench.declare import Kernel, Shape
from workbench.simulate.counters import global_sectors
from workbench.simulate.launch import Options
from workbench.simulate.memory import Memory
from workbench.simulate.plan import run_plan
from workbench.steps import launches_of, leaves_of, unrolled

CELLS = ("rnn", "gru", "lstm")
PASSES = ("forward", "training")
VARIANTS = {variant.key: variant for variant in catalog().select(CELLS, passes=list(PASSES))}
SIZES = {"B": 3, "T": 5, "D": 7, "H": 37}
"""H beyond one warp's lanes and no multiple of them; B of several sequences, whose seams a flat product crosses."""
IN_BLOCKS = (("block_of_time", 2),)
SECTOR_BYTES = 32


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("key", VARIANTS)
def test_is_right(key: str, dtype: str) -> None:
    variant = VARIANTS[key]
    operation = catalog().operation(variant.operation_key)
    found = run(Case(key, Shape.of(dtype, **SIZES), settings=IN_BLOCKS if "block_of_time" in variant.settings else ()))
    allowed = operation.tolerance[dtype]
    assert isinstance(allowed, float)
    assert {name for name, result in found.items() if not result.error <= allowed} == set(), found


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
    x = given["x"].requires_grad_()
    h = layer(x)[0]
    dx, dw, du, *offsets = torch.autograd.grad(h, (x, *layer.parameters()), given["gh"])
    found = {"h": h.detach(), "dx": dx, "dw": dw, "du": du, "dbias": torch.stack(offsets)}
    return {name: tensor.numpy() for name, tensor in found.items()}


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=15, deadline=None)
@given(size=st.lists(st.integers(1, 6), min_size=4, max_size=4), seed=st.integers(0, 2**16))
def test_the_references_are_torch_s_layers(cell: str, size: list[int], seed: int) -> None:
    operation = catalog().operation(f"{cell}/training")
    shape = Shape.of("float32", **dict(zip("BTDH", size, strict=True)))
    made = operation.make_inputs(shape, "normal", np.random.default_rng(seed))
    wide = {name: np.asarray(array, np.float64) for name, array in made.items()}
    found, right = operation.reference(shape, wide), by_torch(cell, made)
    assert set(found) == set(right)
    for name, array in right.items():
        assert np.abs(found[name] - array).max() <= 1e-12 * max(1e-3, np.abs(array).max()), name
    forward = catalog().operation(cell).reference(shape, wide)
    assert np.array_equal(forward["h"], found["h"])


@pytest.mark.parametrize("name", ["x", "w", "u", "bias"])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_reference_are_finite_differences(cell: str, name: str) -> None:
    assert_gradient_is_a_difference(cell, Shape.of("float32", B=2, T=4, D=3, H=3), name, {"h": "gh"})


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
    assert 300 * passes <= launches_of(plan) <= cost.launches <= 300 * passes + 8
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
    """Rows per step, of p, q and what is kept: whole sectors that the kernel asks for."""
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
    assert SECTOR_BYTES * global_sectors(again) == 4 * 32 * (rows * steps + gates)  # the offset is read once


@pytest.mark.parametrize("cell", CELLS)
def test_autograd_keeps_about_what_is_declared_and_blocks_keep_less(cell: str) -> None:
    shape = Shape.of("float32", B=4, T=64, D=32, H=32)
    operation = catalog().operation(f"{cell}/training")
    made = operation.make_inputs(shape, "normal", np.random.default_rng(0))
    tensors = [torch.tensor(made[name]) for name in ("x", "w", "u", "bias", "gh")]
    weights = sum(tensor.numel() * 4 for tensor in tensors[1:4])
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
