"""A reference's gradients held against differences of its values."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.executed import catalog
from workbench.declare import Shape


def in_float64(operation: str, shape: Shape) -> dict[str, np.ndarray]:
    """The inputs of an operation's training pass."""
    made = catalog().operation(f"{operation}/training").make_inputs(shape, "normal", np.random.default_rng(3))
    return {name: np.asarray(array, np.float64) for name, array in made.items()}


def assert_gradient_is_a_difference(operation: str, shape: Shape, name: str, incoming: dict[str, str]) -> None:
    """Along a random way of the input `name`. `incoming`: an output → what the loss says of it."""
    declared, given = catalog().operation(f"{operation}/training"), in_float64(operation, shape)
    way = np.random.default_rng(5).standard_normal(given[name].shape)

    def loss(step: float) -> float:
        found = declared.reference(shape, {**given, name: given[name] + step * way})
        return sum(float((found[output] * given[gradient]).sum()) for output, gradient in incoming.items())

    along = float((declared.reference(shape, given)[f"d{name}"] * way).sum())
    assert along == pytest.approx((loss(1e-6) - loss(-1e-6)) / 2e-6, rel=1e-6)
