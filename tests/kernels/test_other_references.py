"""The references of SRU's and QRNN's passes, held to torch's autograd and to finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from tests.kernels.executed import catalog
from workbench.declare import Shape

Tensors = Mapping[str, torch.Tensor]
CATALOG = catalog()


def sru(shape: Shape, given: Tensors) -> dict[str, torch.Tensor]:
    """Either version, every direction, a step at a time; the layer's input or a product of its own for the highway."""
    pre, found = given["pre"], []
    for direction in range(shape["directions"]):
        x = given["x"][:, :, direction] if "x" in given else pre[:, :, direction, 3]
        state, rows = given["c0"][direction], {}
        for t in range(shape["T"])[:: -1 if direction else 1]:
            k, v, r = (pre[:, t, direction, part] for part in range(3))
            if "w" in given:
                k, r = k + given["w"][direction, 0] * state, r + given["w"][direction, 1] * state
            state = torch.sigmoid(-k) * state + torch.sigmoid(k) * v
            y = torch.tanh(state) if shape["phi"] == 2 else state
            y = y * given["m"][direction] if "m" in given else y
            rows[t] = torch.sigmoid(r) * y + torch.sigmoid(-r) * x[:, t], state
        found.append((*(torch.stack([rows[t][i] for t in sorted(rows)], 1) for i in (0, 1)), state))
    h, c, last = zip(*found, strict=True)
    return {"h": torch.stack(h, 2), "c": torch.stack(c, 2), "c_last": torch.stack(last)}


def qrnn_pool(shape: Shape, given: Tensors) -> dict[str, torch.Tensor]:
    k, v, *others = given["pre"].unbind(2)
    write = torch.sigmoid(others[1] if len(others) > 1 else k)
    state, rows = given["c0"], []
    for t in range(shape["T"]):
        state = torch.sigmoid(-k[:, t]) * state + write[:, t] * torch.tanh(v[:, t])
        rows.append(state)
    c = torch.stack(rows, 1)
    return {"h": torch.sigmoid(others[0]) * c if others else c, "c": c, "c_last": state}


def qrnn_window(shape: Shape, given: Tensors) -> dict[str, torch.Tensor]:
    """A convolution, as torch has it: over (B, D, T), the oldest input's weights first."""
    weights = given["w"].flip(0).permute(1, 2, 3, 0).flatten(0, 1)
    padded = torch.nn.functional.pad(given["x"].transpose(1, 2), (shape["window"] - 1, 0))
    pre = torch.nn.functional.conv1d(padded, weights, given["bias"].flatten())
    return {"pre": pre.transpose(1, 2).unflatten(-1, given["bias"].shape)}


Forward = Callable[[Shape, Tensors], dict[str, torch.Tensor]]
SRU_AXES = ("directions", "phi", "rows", "dropout")
SRU_FORMS = [dict(zip(SRU_AXES, form, strict=True)) for form in ((1, 1, 3, 1), (2, 2, 3, 2), (2, 1, 4, 1))]
CASES: list[tuple[str, Forward, dict[str, int]]] = [
    *((name, sru, {"B": 2, "T": 5, "H": 3, **form}) for name in ("sru_scan", "sru2_scan") for form in SRU_FORMS),
    *(("qrnn_pool", qrnn_pool, {"B": 2, "T": 5, "H": 3, "rows": rows}) for rows in (2, 3, 4)),
    ("qrnn_window", qrnn_window, {"B": 2, "T": 5, "D": 4, "H": 3, "window": 3, "rows": 2}),
]
INCOMING = {"h": "gh", "c_last": "gc_last", "pre": "dpre"}


@pytest.mark.parametrize("regime", ["normal", "slow", "saturated"])
@pytest.mark.parametrize(("operation", "forward", "sizes"), CASES, ids=[f"{name}-{sizes}" for name, _, sizes in CASES])
def test_the_references_are_the_equations_and_their_gradients(
    operation: str, forward: Forward, sizes: dict[str, int], regime: str
) -> None:
    shape = Shape.of("float32", **sizes)
    backward = CATALOG.operation(f"{operation}/backward")
    made = {
        name: np.asarray(array, np.float64)
        for name, array in backward.make_inputs(shape, regime, np.random.default_rng(3)).items()
    }
    given = [t.name for t in CATALOG.operation(operation).tensors(shape) if t.given]
    if operation == "qrnn_window":  # a backward pass has no need of it
        made["bias"] = np.random.default_rng(5).standard_normal((shape["rows"], shape["H"]))
    leaves = {name: torch.tensor(made[name], requires_grad=name != "m") for name in given}  # a mask has no gradient
    outputs = forward(shape, leaves)
    values = CATALOG.operation(operation).reference(shape, {name: made[name] for name in given})
    assert set(values) <= set(outputs)
    for name, value in values.items():
        assert np.allclose(outputs[name].detach().numpy(), value, rtol=1e-12, atol=1e-13), name

    differentiated = [name for name in given if leaves[name].requires_grad]
    incoming = {name: torch.tensor(made[g]) for name, g in INCOMING.items() if name in outputs}
    own = [leaves[name] for name in differentiated]
    gradients = torch.autograd.grad([outputs[n] for n in incoming], own, list(incoming.values()))
    found = backward.reference(shape, made)
    assert set(found) == {f"d{name}" for name in differentiated}
    for name, gradient in zip(differentiated, gradients, strict=True):
        assert np.allclose(found[f"d{name}"], gradient.numpy(), rtol=1e-10, atol=1e-13), name
    if regime != "normal":
        return

    def loss(moved: Tensors) -> float:
        at = forward(shape, moved)
        return sum(float((at[name].detach() * g).sum()) for name, g in incoming.items())

    random, step = np.random.default_rng(4), 1e-6
    for name in differentiated:
        way = torch.tensor(random.standard_normal(made[name].shape))
        there, back = ({**leaves, name: leaves[name] + sign * step * way} for sign in (1, -1))
        slope = (loss(there) - loss(back)) / (2 * step)
        assert slope == pytest.approx(float((torch.tensor(found[f"d{name}"]) * way).sum()), rel=1e-6), name
