"""The references of backward passes, held to torch's autograd through the forward equations, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernel_variants import equations
from tests.kernels.executed import catalog
from workbench.declare import Shape

Tensors = Mapping[str, torch.Tensor]
CATALOG = catalog()
BOUND = 1e-12


def scan(given: Tensors) -> dict[str, torch.Tensor]:
    state, rows = given["h0"], []
    for t in range(given["b"].shape[1]):
        state = given["a"][:, t] * state + given["b"][:, t]
        rows.append(state)
    return {"h": torch.stack(rows, 1), "h_last": state}


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    """By its logarithm, whose derivative is a sigmoid too: torch.sigmoid's own, y (1 - y), keeps no digits of 1 - y
    where y is close to 1."""
    return torch.exp(torch.nn.functional.logsigmoid(x))


def gates(kv: torch.Tensor) -> dict[str, torch.Tensor]:
    k, v = kv[..., 0, :], kv[..., 1, :]
    c = torch.where(v >= 0, v + 0.5, sigmoid(v))
    return {"a": sigmoid(-k), "b": sigmoid(k) * c}


def gated_scan(given: Tensors) -> dict[str, torch.Tensor]:
    return scan({**gates(given["kv"]), "h0": given["h0"]})


def minlstm_scan(given: Tensors) -> dict[str, torch.Tensor]:
    """The gates as the paper writes them: in float64 they hold for logits beyond -100."""
    k_f, k_i, v = given["pre"].unbind(2)
    f, i = sigmoid(k_f), sigmoid(k_i)
    c = torch.where(v >= 0, v + 0.5, sigmoid(v))
    return scan({"a": f / (f + i), "b": i / (f + i) * c, "h0": given["h0"]})


def projection(given: Tensors) -> dict[str, torch.Tensor]:
    return {"y": given["h"] @ given["w_out"].T + given["bias_out"]}


def product(given: Tensors) -> torch.Tensor:
    """x, w, bias → kv (B, T, 2, H)."""
    return torch.einsum("btd,phd->btph", given["x"], given["w"]) + given["bias"]


def layer(given: Tensors) -> dict[str, torch.Tensor]:
    states = gated_scan({"kv": product(given), "h0": given["h0"]})
    return {**projection({**given, "h": states["h"]}), "h_last": states["h_last"]}


LAYER_GRADIENTS = {name: f"d{name}" for name in ("x", "w", "bias", "h0", "w_out", "bias_out")}
FORWARD: Mapping[str, tuple[Callable[[Tensors], dict[str, torch.Tensor]], Mapping[str, str]]] = {
    "scan/backward": (scan, {"a": "da", "b": "db", "h0": "dh0"}),
    "gated_scan/backward": (gated_scan, {"kv": "dkv", "h0": "dh0"}),
    "minlstm_scan/backward": (minlstm_scan, {"pre": "dpre", "h0": "dh0"}),
    "gate/backward": (lambda given: gates(product(given)), {"x": "dx", "w": "dw", "bias": "dbias"}),
    "projection/backward": (projection, {"h": "dh", "w_out": "dw_out", "bias_out": "dbias_out"}),
    "layer/backward": (layer, LAYER_GRADIENTS),
    "layer/training": (layer, LAYER_GRADIENTS),
}
"""Forward in torch, and by each of its inputs the name of its gradient."""
INCOMING = {"gate/backward": {"a": "da", "b": "db"}}
"""The gradient that comes in for an output, where it is not g of its name."""


def wide(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}


def incoming(key: str, made: Mapping[str, Any]) -> dict[str, Any]:
    """Output → its gradient."""
    known = INCOMING.get(key) or {name: f"g{name}" for name in ("h", "h_last", "y")}
    return {output: made[name] for output, name in known.items() if name in made}


def by_autograd(key: str, made: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Gradients of everything in `made` that the forward pass takes."""
    forward, names = FORWARD[key]
    leaves = {name: torch.tensor(made[name], requires_grad=True) for name in names}
    gradients, outputs = incoming(key, made), forward(leaves)
    wanted = [outputs[name] for name in gradients]
    found = torch.autograd.grad(wanted, list(leaves.values()), [torch.tensor(g) for g in gradients.values()])
    return dict(zip(names.values(), found, strict=True))


def inputs_of(key: str, shape: Shape, regime: str, seed: int) -> dict[str, Any]:
    """What the pass is given, and what else its forward pass takes; what is kept is made in float64."""
    random = np.random.default_rng(seed)
    made = wide(CATALOG.operation(key).make_inputs(shape, regime, random))
    given = {name: torch.tensor(array) for name, array in made.items()}
    if key == "scan/backward":
        given["b"] = torch.tensor(random.standard_normal(made["a"].shape))
        given["h"] = scan(given)["h"]
    elif key == "projection/backward":
        given["bias_out"] = torch.tensor(random.standard_normal(shape["O"]))
    elif "kv" in made and "x" in made:
        given["bias"] = torch.tensor(random.standard_normal((2, shape["H"])))
        given["kv"] = product(given)
        given["bias_out"] = torch.zeros(shape["O"] if key.startswith("layer") else 1).double()
    return {name: tensor.numpy() for name, tensor in given.items()}


@pytest.mark.parametrize("key", FORWARD)
@settings(max_examples=25, deadline=None)
@given(
    size=st.lists(st.integers(1, 7), min_size=6, max_size=6),
    regime=st.sampled_from(("normal", "slow", "saturated")),
    seed=st.integers(0, 2**16),
)
@example(size=[1] * 6, regime="saturated", seed=1)
def test_a_reference_is_the_gradient(key: str, size: list[int], regime: str, seed: int) -> None:
    backward = CATALOG.operation(key)
    shape = Shape.of("float32", **dict(zip(backward.axes, size, strict=False)))
    made = inputs_of(key, shape, regime, seed)
    expected = by_autograd(key, made)
    found = backward.reference(shape, made)
    assert set(found) - {"y", "h_last"} == set(expected)
    for name, gradient in expected.items():
        right = gradient.numpy()
        apart = np.abs(found[name] - right).max() / max(1e-30, np.abs(right).max())
        assert apart <= BOUND, (name, apart)


@pytest.mark.parametrize("key", FORWARD)
def test_the_gradient_is_that_of_finite_differences(key: str) -> None:
    """Autograd's graph is written down above: this one is not."""
    shape = Shape.of("float32", **dict.fromkeys(CATALOG.operation(key).axes, 3))
    made = inputs_of(key, shape, "normal", 3)
    forward, names = FORWARD[key]
    gradients, given = by_autograd(key, made), incoming(key, made)
    random, step = np.random.default_rng(4), 1e-6

    def loss(moved: Tensors) -> float:
        outputs = forward(moved)
        return sum(float((outputs[name] * torch.tensor(g)).sum()) for name, g in given.items())

    leaves = {name: torch.tensor(made[name]) for name in names}
    for name, gradient in names.items():
        way = torch.tensor(random.standard_normal(made[name].shape))
        there, back = ({**leaves, name: leaves[name] + sign * step * way} for sign in (1, -1))
        slope = (loss(there) - loss(back)) / (2 * step)
        assert slope == pytest.approx(float((gradients[gradient] * way).sum()), rel=1e-7), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3, 2, 5), (3, 70, 2, 129), (1, 0, 2, 4)])
def test_large_arrays_are_worked_on_in_pieces_that_make_the_whole(shape: tuple[int, ...], dtype: type) -> None:
    random = np.random.default_rng(5)
    kv = (30 * random.standard_normal(shape)).astype(dtype)
    k, v = kv[..., 0, :], kv[..., 1, :]  # neither lies in one piece of memory
    e = np.exp(-np.abs(k))
    z = np.where(k >= 0, 1, e) / (1 + e)
    low = np.exp(np.minimum(v, 0))
    c = np.where(v >= 0, v + dtype(0.5), low / (1 + low))
    assert np.array_equal(equations.sigmoid(k), z) and equations.sigmoid(k).dtype == dtype
    assert np.array_equal(equations.candidate(v), c)
    _, b = equations.gates(kv)
    assert np.array_equal(b, z * c) and b.flags.c_contiguous
