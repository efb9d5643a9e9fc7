"""The references of backward passes, held to torch's autograd through the forward equations, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.catalog import load_catalog
from workbench.declare import Shape

Tensors = Mapping[str, torch.Tensor]
CATALOG = load_catalog()
BOUND = 1e-12


def scan(given: Tensors) -> dict[str, torch.Tensor]:
    state, rows = given["h0"], []
    for t in range(given["b"].shape[1]):
        state = given["a"][:, t] * state + given["b"][:, t]
        rows.append(state)
    return {"h": torch.stack(rows, 1), "h_last": state}


def gates(kv: torch.Tensor) -> dict[str, torch.Tensor]:
    k, v = kv[..., 0, :], kv[..., 1, :]
    c = torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
    return {"a": torch.sigmoid(-k), "b": torch.sigmoid(k) * c}


def gated_scan(given: Tensors) -> dict[str, torch.Tensor]:
    return scan({**gates(given["kv"]), "h0": given["h0"]})


FORWARD: Mapping[str, tuple[Callable[[Tensors], dict[str, torch.Tensor]], Mapping[str, str]]] = {
    "scan": (scan, {"a": "da", "b": "db", "h0": "dh0"}),
    "gated_scan": (gated_scan, {"kv": "dkv", "h0": "dh0"}),
}
"""Forward in torch, and by each of its inputs the name of its gradient. A gradient that comes in is g of its output."""


def wide(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}


def by_autograd(operation: str, shape: Shape, made: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Gradients of everything in `made` that the forward pass takes."""
    forward, names = FORWARD[operation]
    leaves = {name: torch.tensor(made[name], requires_grad=True) for name in names}
    outputs = {name: out for name, out in forward(leaves).items() if f"g{name}" in made}
    incoming = [torch.tensor(made[f"g{name}"]) for name in outputs]
    found = torch.autograd.grad(list(outputs.values()), list(leaves.values()), incoming)
    return dict(zip(names.values(), found, strict=True))


def inputs_of(operation: str, shape: Shape, regime: str, seed: int) -> dict[str, Any]:
    """What the backward pass is given, with the b that the scan's states were made of."""
    backward = CATALOG.operation(f"{operation}/backward")
    made = wide(backward.make_inputs(shape, regime, np.random.default_rng(seed)))
    if operation == "scan":
        random = np.random.default_rng(seed)
        made["b"] = random.standard_normal(made["a"].shape)
        leaves = {name: torch.tensor(made[name]) for name in ("a", "b", "h0")}
        made["h"] = scan(leaves)["h"].numpy()
    return made


@pytest.mark.parametrize("operation", FORWARD)
@settings(max_examples=25, deadline=None)
@given(
    size=st.lists(st.integers(1, 7), min_size=6, max_size=6),
    regime=st.sampled_from(("normal", "slow", "saturated")),
    seed=st.integers(0, 2**16),
)
def test_a_reference_is_the_gradient(operation: str, size: list[int], regime: str, seed: int) -> None:
    backward = CATALOG.operation(f"{operation}/backward")
    shape = Shape.of("float32", **dict(zip(backward.axes, size, strict=False)))
    made = inputs_of(operation, shape, regime, seed)
    expected = by_autograd(operation, shape, made)
    found = backward.reference(shape, made)
    assert set(found) == set(expected)
    for name, gradient in expected.items():
        right = gradient.numpy()
        apart = np.abs(found[name] - right).max() / max(1e-30, np.abs(right).max())
        assert apart <= BOUND, (name, apart)


@pytest.mark.parametrize("operation", FORWARD)
def test_the_gradient_is_that_of_finite_differences(operation: str) -> None:
    """Autograd's graph is written down above: this one is not."""
    backward = CATALOG.operation(f"{operation}/backward")
    shape = Shape.of("float32", **dict.fromkeys(backward.axes, 3))
    made = inputs_of(operation, shape, "normal", 3)
    forward, names = FORWARD[operation]
    gradients = by_autograd(operation, shape, made)
    random, step = np.random.default_rng(4), 1e-6

    def loss(moved: Tensors) -> float:
        return sum(float((out * torch.tensor(made[f"g{name}"])).sum()) for name, out in forward(moved).items())

    leaves = {name: torch.tensor(made[name]) for name in names}
    for name, gradient in names.items():
        way = torch.tensor(random.standard_normal(made[name].shape))
        there, back = ({**leaves, name: leaves[name] + sign * step * way} for sign in (1, -1))
        slope = (loss(there) - loss(back)) / (2 * step)
        assert slope == pytest.approx(float((gradients[gradient] * way).sum()), rel=1e-7), name
