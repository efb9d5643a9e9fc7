"""What the variants of gate, projection and layer declare, against their plans and the least that can be."""

from __future__ import annotations

import pytest

from tests.kernels.covering import of_kind
from tests.kernels.executed import catalog
from workbench.declare import Kernel, Shape, Variant
from workbench.steps import launches_of

OPERATIONS = ("gate", "projection", "layer")
ALL = catalog().select(OPERATIONS, passes=["forward"])
OF_CUDA = [v for operation in OPERATIONS for v in of_kind(operation, Kernel)]


def shapes(variant: Variant) -> list[Shape]:
    axes = catalog().operation(variant.operation_key).axes
    made = [Shape.of(d, **{**axes, "T": T}) for d in ("float32", "bfloat16") for T in (17, 256)]
    return [shape for shape in made if variant.supports(shape) is None]


@pytest.mark.parametrize("variant", OF_CUDA, ids=lambda v: v.key)
def test_declared_launches_are_the_steps_of_the_plan(variant: Variant) -> None:
    """A kernel, a library product and the clearing of flags are a launch each."""
    for shape in shapes(variant):
        settings = variant.default_settings()
        assert variant.cost(shape, settings).launches == launches_of(variant.plan(shape, settings))


@pytest.mark.parametrize("variant", ALL, ids=lambda v: v.key)
def test_nothing_is_declared_below_the_least(variant: Variant) -> None:
    for shape in shapes(variant):
        least = catalog().operation(variant.operation_key).least(shape)
        declared = variant.cost(shape, variant.default_settings())
        assert declared.bytes >= least.bytes
        assert declared.matrix_flops == least.matrix_flops


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("gate/fused", "gate/unfused"),
        ("gate/unfused", "gate/eager"),
        ("layer/gated_serial", "layer/gates_serial"),
        ("layer/per_step_fused", "layer/per_step"),
        ("layer/epilogue_scan", "layer/gated_ring"),
    ],
)
def test_a_rung_that_saves_bytes_declares_fewer(better: str, worse: str) -> None:
    shape = Shape.of("bfloat16", B=4, T=256, D=512, H=512, O=512)
    moved = [catalog().variant(k).cost(shape, catalog().variant(k).default_settings()).bytes for k in (better, worse)]
    assert moved[0] < moved[1]


def test_the_epilogue_saves_pre_activations_written_and_read() -> None:
    """4 values an element, less what tiles pass on: 24 bytes a channel of each of 2 stretches of 128 steps."""
    shape = Shape.of("bfloat16", B=4, T=256, D=512, H=512, O=512)
    ring, epilogue = (catalog().variant(f"layer/{name}") for name in ("gated_ring", "epilogue_scan"))
    saved = ring.cost(shape, ring.default_settings()).bytes - epilogue.cost(shape, epilogue.default_settings()).bytes
    assert saved == 4 * 2 * 4 * 256 * 512 - 24 * 2 * 4 * 512
