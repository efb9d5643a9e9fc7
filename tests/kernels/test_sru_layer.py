"""A whole SRU layer and the convolution that its paper sets beside it: every rung of forward pass and training."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from tests.kernels.covering import sliced
from tests.kernels.differences import assert_gradient_is_a_difference
from tests.kernels.executed import Case, catalog, run
from workbench.declare import Shape

pytestmark = pytest.mark.sliced

SRU = [variant.key for variant in catalog().select(["sru_layer"])]
CONVOLUTIONS = [
    *(variant.key for variant in catalog().select(["qrnn_window"], ["conv2d"])), "qrnn_window/training/shifted",
]  # fmt: skip
CASES = [("float32", "normal"), ("bfloat16", "normal"), ("bfloat16", "slow")]
WORDS = {"B": 2, "T": 5, "D": 6, "H": 7, "window": 3, "rows": 1}


@pytest.mark.parametrize(("key", "dtype", "regime"), [(key, *one) for key in SRU for one in sliced(CASES, key)])
def test_the_layer_is_right(key: str, dtype: str, regime: str) -> None:
    allowed = catalog().operation(catalog().variant(key).operation_key).tolerance[dtype]
    found = run(Case(key, Shape.of(dtype, B=2, T=5, H=37), regime))
    of_each = allowed if isinstance(allowed, Mapping) else dict.fromkeys(found, allowed)
    assert {name for name, result in found.items() if not result.error <= of_each[name]} == set(), found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("key", CONVOLUTIONS)
def test_the_convolution_is_right(key: str, dtype: str) -> None:
    allowed = catalog().operation(catalog().variant(key).operation_key).tolerance[dtype]
    assert isinstance(allowed, float)
    for sizes in (WORDS, {**WORDS, "T": 1, "rows": 3}):
        found = run(Case(key, Shape.of(dtype, **sizes)))
        assert {name for name, result in found.items() if not result.error <= allowed} == set(), found


def layer(x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A step at a time."""
    rows = []
    for t in range(x.shape[1]):
        k, v, r = (x[:, t] @ w[part].T + bias[part] for part in range(3))
        c = torch.sigmoid(-k) * c + torch.sigmoid(k) * v
        rows.append(torch.sigmoid(r) * torch.tanh(c) + (1 - torch.sigmoid(r)) * x[:, t])
    return torch.stack(rows, 1), c


def convolution(x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    padded = torch.nn.functional.pad(x.transpose(1, 2), (w.shape[0] - 1, 0))
    pre = torch.nn.functional.conv1d(padded, w.flip(0).permute(1, 2, 3, 0).flatten(0, 1), bias.flatten())
    return pre.transpose(1, 2).unflatten(-1, bias.shape)


@pytest.mark.parametrize(
    ("name", "sizes", "forward", "given", "incoming"),
    [
        ("sru_layer", {"B": 2, "T": 5, "H": 3}, layer, ("x", "w", "bias", "c0"), {"h": "gh", "c_last": "gc_last"}),
        ("qrnn_window", WORDS, convolution, ("x", "w", "bias"), {"pre": "dpre"}),
    ],
)
def test_the_references_of_training_are_those_of_autograd(
    name: str, sizes: dict[str, int], forward: Callable[..., object], given: tuple[str, ...], incoming: dict[str, str]
) -> None:
    operation, shape = catalog().operation(f"{name}/training"), Shape.of("float32", **sizes)
    made = operation.make_inputs(shape, "normal", np.random.default_rng(0))
    wide = {key: np.asarray(array, np.float64) for key, array in made.items()}
    leaves = [torch.tensor(wide[key]).requires_grad_() for key in given]
    results = forward(*leaves)
    outputs = results if isinstance(results, tuple) else (results,)
    gradients = torch.autograd.grad(outputs, leaves, [torch.tensor(wide[key]) for key in incoming.values()])
    right = dict(zip(incoming, outputs, strict=True)) | {f"d{k}": g for k, g in zip(given, gradients, strict=True)}
    found = operation.reference(shape, wide)
    assert set(found) == set(right)
    for key, tensor in right.items():
        np.testing.assert_allclose(found[key], tensor.detach().numpy(), rtol=1e-10, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", ["x", "w", "bias", "c0"])
def test_gradients_of_the_reference_are_finite_differences(name: str) -> None:
    shape = Shape.of("float32", B=2, T=4, H=3)
    assert_gradient_is_a_difference("sru_layer", shape, name, {"h": "gh", "c_last": "gc_last"})
