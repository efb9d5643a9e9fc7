"""Each cell against its equations in float64, a trained one, and other people's weights in ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kernel_variants.modules import QRNN, SRU, MinGRU, MinLSTM
from kernel_variants.modules.convert import from_mingru_pytorch, from_sru
from tests.modules import reference

T, B, D, H = 19, 2, 6, 10


def test_mingru_is_its_equations() -> None:
    ours, x, h0 = MinGRU(D, H), torch.randn(T, B, D), torch.randn(1, B, H)
    k, v = F.linear(x, ours.weight_ih_l0, ours.bias_ih_l0).double().chunk(2, -1)
    z, state, rows = torch.sigmoid(k), h0[0].double(), []
    for t in range(T):
        state = (1 - z[t]) * state + z[t] * torch.where(v[t] >= 0, v[t] + 0.5, torch.sigmoid(v[t]))
        rows.append(state)
    assert reference.error(ours(x, h0)[0], torch.stack(rows)) < 1e-6


@pytest.mark.parametrize("shift", [0.0, -90.0])
def test_minlstm_is_its_equations_and_has_no_nan_where_both_gates_vanish(shift: float) -> None:
    ours, x = MinLSTM(D, H, candidate="linear"), torch.randn(T, B, D)
    with torch.no_grad():
        ours.bias_ih_l0[: 2 * H] += shift
    y, _ = ours(x)
    f, i, v = F.linear(x, ours.weight_ih_l0, ours.bias_ih_l0).double().chunk(3, -1)
    f, i = torch.sigmoid(f), torch.sigmoid(i)
    state, rows = torch.zeros(B, H, dtype=torch.float64), []
    for t in range(T):
        state = f[t] / (f[t] + i[t]) * state + i[t] / (f[t] + i[t]) * v[t]
        rows.append(state)
    expected = torch.stack(rows)
    assert reference.error(y, expected) < 1e-5
    own = torch.autograd.grad(y.square().sum(), ours.weight_ih_l0, retain_graph=True)[0]
    exact = torch.autograd.grad(expected.square().sum(), ours.weight_ih_l0)[0]
    assert own.isfinite().all()
    assert reference.error(own, exact) < 1e-4


@pytest.mark.parametrize("pooling", ["f", "fo", "ifo"])
def test_qrnn_is_its_equations(pooling: str) -> None:
    window = 3
    ours, x = QRNN(D, H, pooling=pooling, window=window), torch.randn(T, B, D)
    seen = torch.cat([F.pad(x, (0, 0, 0, 0, back, 0))[:T] for back in range(window)], -1)
    k, v, *others = F.linear(seen, ours.weight_ih_l0, ours.bias_ih_l0).double().chunk(ours.blocks, -1)
    gates = [torch.sigmoid(o) for o in others]
    f, state, rows = torch.sigmoid(-k), torch.zeros(B, H, dtype=torch.float64), []
    for t in range(T):
        state = f[t] * state + (gates[1][t] if pooling == "ifo" else 1 - f[t]) * torch.tanh(v[t])
        rows.append(state if pooling == "f" else gates[0][t] * state)
    assert reference.error(ours(x)[0], torch.stack(rows)) < 2e-6


def the_packages_sru(state: dict[str, Tensor], x: Tensor, layers: int, directions: int, tanh: bool) -> Tensor:
    """The equations of SRU over a state_dict laid out as the package `sru` lays it out; x (T, B, D)."""
    for layer in range(layers):
        own = {name: state[f"rnn_lst.{layer}.{name}"].double() for name in ("weight", "weight_c", "bias")}
        U = (x @ own["weight"]).view(T, B, directions, H, -1)
        bias, wc = own["bias"].view(2, directions, H), own["weight_c"].view(2, directions, H)
        direct = U[..., 3] if U.shape[-1] == 4 else x.view(T, B, directions, H)
        y = torch.zeros(T, B, directions, H, dtype=torch.float64)
        for d in range(directions):
            c = torch.zeros(B, H, dtype=torch.float64)
            for t in reference.order(T, d == 1):
                f = torch.sigmoid(U[t, :, d, :, 1] + wc[0, d] * c + bias[0, d])
                r = torch.sigmoid(U[t, :, d, :, 2] + wc[1, d] * c + bias[1, d])
                c = f * c + (1 - f) * U[t, :, d, :, 0]
                y[t, :, d] = r * (c.tanh() if tanh else c) + (1 - r) * direct[t, :, d]
        x = y.flatten(-2)
    return x


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("v1", [False, True])
def test_sru_takes_the_weights_of_the_package(v1: bool, directions: int) -> None:
    out = H * directions
    state = {}
    for layer, width in enumerate((D, out)):
        state[f"rnn_lst.{layer}.weight"] = torch.randn(width, out * (4 if width != out else 3)) / width**0.5
        state[f"rnn_lst.{layer}.weight_c"] = torch.zeros(2 * out) if v1 else torch.randn(2 * out)
        state[f"rnn_lst.{layer}.bias"] = torch.randn(2 * out)
        state[f"rnn_lst.{layer}.scale_x"] = torch.ones(1)
    ours = SRU(D, H, num_layers=2, bidirectional=directions == 2, use_tanh=v1, v1=v1)
    ours.load_state_dict(from_sru(state, ours))
    x = torch.randn(T, B, D)
    y, c_n = ours(x)
    assert reference.error(y, the_packages_sru(state, x.double(), 2, directions, v1)) < 2e-6
    ours.nn_rnn_compatible_return = False
    again, c_theirs = ours(x)
    assert torch.equal(again, y)
    assert c_theirs.shape == (2, B, out)
    assert torch.equal(c_theirs[1, :, :H], c_n[directions])
    carried, _ = ours(x, c_theirs)
    ours.nn_rnn_compatible_return = None
    torch.testing.assert_close(carried, ours(x, c_n)[0])
    with pytest.raises(ValueError, match=r"no rnn_lst\.0\.weight"):
        from_sru({}, ours)


def test_srus_constructor_and_call_are_the_packages() -> None:
    rnn = SRU(128, 128, num_layers=2, dropout=0.0, bidirectional=False, layer_norm=False, highway_bias=-2)
    output, state = rnn(torch.randn(20, 32, 128))
    assert (output.shape, state.shape) == ((20, 32, 128), (2, 32, 128))
    rnn = SRU(D, H, 3, 0.2, 0.1, True, 4, True, True, -1.0, True, True, False, True, proj_input_to_hidden_first=True)
    mask = torch.zeros(T, B)
    mask[:4, 0] = 1
    rnn.eval()
    x = torch.randn(T, B, D)
    y, _ = rnn(x, None, mask)
    assert not y[:4, 0].any()
    torch.testing.assert_close(y[4:, 0], rnn(x[4:, :1])[0][:, 0])


def test_dropout_of_sru_is_one_mask_for_all_steps() -> None:
    rnn = SRU(H, H, num_layers=2, dropout=0.5, has_skip_term=False, v1=True)
    seen: list[Tensor] = []
    plain = rnn._layer
    rnn._layer = lambda *a: seen.append(plain(*a)[0]) or plain(*a)  # type: ignore[method-assign,func-returns-value]
    rnn(torch.randn(T, B, H))
    dropped = seen[0] == 0
    assert dropped.any() and not dropped.all()
    assert torch.equal(dropped.all(1), dropped.any(1))
    assert not (seen[1] == 0).any()


def test_mingru_takes_the_weights_of_mingru_pytorch() -> None:
    state = {"to_hidden_and_gate.weight": torch.randn(2 * H, D), "to_out.weight": torch.randn(D, H)}
    converted, out = from_mingru_pytorch(state)
    ours, x = MinGRU(D, H, bias=False, batch_first=True), torch.randn(B, T, D)
    ours.load_state_dict(converted)
    hidden, gate = F.linear(x.double(), state["to_hidden_and_gate.weight"].double()).chunk(2, -1)
    h, rows = torch.zeros(B, H, dtype=torch.float64), []
    for t in range(T):
        g = torch.where(hidden[:, t] >= 0, hidden[:, t] + 0.5, hidden[:, t].sigmoid())
        h = torch.lerp(h, g, gate[:, t].sigmoid())
        rows.append(h)
    assert reference.error(ours(x)[0], torch.stack(rows, 1)) < 1e-6
    assert out is state["to_out.weight"]
    with pytest.raises(ValueError, match="not the state_dict of a minGRU"):
        from_mingru_pytorch({"weight": torch.zeros(1)})


@pytest.mark.parametrize("cls", [MinGRU, MinLSTM, SRU, QRNN])
def test_it_learns_to_remember(cls: type[nn.Module]) -> None:
    """The sign of the first input, asked for at the last step: at chance (0.69) without a memory."""
    rnn, head = cls(2, 16), nn.Linear(16, 1)
    optimizer = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=0.02)
    for _ in range(150):
        x = torch.zeros(12, 64, 2)
        x[0, :, 0] = torch.randn(64).sign()
        x[1:, :, 1] = torch.randn(11, 64)
        loss = F.binary_cross_entropy_with_logits(head(rnn(x)[0][-1])[:, 0], (x[0, :, 0] > 0).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2


def test_the_page_runs_as_printed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "layers.md").read_text()
    code = "\n".join(block.partition("```")[0] for block in page.split("```python\n")[1:])
    assert "MinGRU" in code
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
