"""A serial cell's layer in torch: step by step with autograd, whole or in blocks of time that are done again on the way
back, and the library's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kernel_variants.gate.products import widened
from kernel_variants.own_form import OwnForm

State = tuple[Any, Any]


def rnn_step(p: Any, q: Any, state: State) -> State:
    import torch

    return torch.tanh(p + q), state[1]


def gru_step(p: Any, q: Any, state: State) -> State:
    import torch

    (p_r, p_z, p_n), (q_r, q_z, q_n) = p.chunk(3, 1), q.chunk(3, 1)
    z = torch.sigmoid(p_z + q_z)
    n = torch.tanh(p_n + torch.sigmoid(p_r + q_r) * q_n)
    return (1 - z) * n + z * state[0], state[1]


def lstm_step(p: Any, q: Any, state: State) -> State:
    import torch

    i, f, g, o = (p + q).chunk(4, 1)
    inner = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(inner), inner


STEPS: dict[str, Callable[[Any, Any, State], State]] = {"rnn": rnn_step, "gru": gru_step, "lstm": lstm_step}


def _block(step: Callable[[Any, Any, State], State], p: Any, u: Any, offset: Any, h: Any, inner: Any) -> Any:
    """A block of time, a step at a time: p (B, steps, …) → h (B, steps, H), and both states."""
    import torch

    state, rows = (h, inner), []
    for at in p.unbind(1):
        state = step(at, torch.nn.functional.linear(state[0], u, offset), state)
        rows.append(state[0])
    return torch.stack(rows, 1), *state


def _layer(name: str, block: int | None, x: Any, w: Any, u: Any, bias: Any) -> Any:
    """x (B, T, D) → h (B, T, H), float32; of each block of time, where it has them, only the first states are kept."""
    import torch
    from torch.utils.checkpoint import checkpoint

    p = torch.nn.functional.linear(x, w, bias[0])
    run = partial(_block, STEPS[name])
    h = inner = torch.zeros(x.shape[0], u.shape[1], device=x.device)
    if block is None:
        return run(p, u, bias[1], h, inner)[0]
    rows = []
    for part in p.split(block, 1):
        row, h, inner = checkpoint(run, part, u, bias[1], h, inner, use_reentrant=False)
        rows.append(row)
    return torch.cat(rows, 1)


def forward(x: Any, w: Any, u: Any, bias: Any, name: str) -> Any:
    import torch

    with torch.no_grad():
        return _layer(name, None, x.float(), w.float(), u.float(), bias.float()).to(x.dtype)


def training(x: Any, w: Any, u: Any, bias: Any, gh: Any, name: str, block: int | None) -> tuple[Any, ...]:
    """h and the gradients of x, w, u and bias, by autograd."""
    import torch

    leaves = [leaf.float().detach().requires_grad_() for leaf in (x, w, u, bias)]
    with torch.enable_grad():
        h = _layer(name, block, *leaves)
        dx, dw, du, dbias = torch.autograd.grad(h, leaves, gh.float())
    return h.detach().to(x.dtype), dx.to(x.dtype), dw, du, dbias


def module(w: Any, u: Any, bias: Any, kind: str) -> Any:
    """torch.nn.RNN, GRU or LSTM with these weights, laid out as its library wants them."""
    import torch

    layer = getattr(torch.nn, kind)(w.shape[1], u.shape[1], batch_first=True, device=w.device, dtype=w.dtype)
    parts = {"weight_ih_l0": w, "weight_hh_l0": u, "bias_ih_l0": bias[0], "bias_hh_l0": bias[1]}
    layer.load_state_dict(parts)
    layer.flatten_parameters()
    return layer


def library_forward(x: Any, w: Any, u: Any, bias: Any, layer_of: OwnForm) -> Any:
    """In full float32 where that is the dtype: cuDNN would round factors to TF32."""
    import torch

    layer = layer_of(w, u, bias)
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return layer(x)[0]


def library_training(x: Any, w: Any, u: Any, bias: Any, gh: Any, layer_of: OwnForm) -> tuple[Any, ...]:
    import torch

    layer, leaf = layer_of(w, u, bias), x.detach().requires_grad_()
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        h = layer(leaf)[0]
        dx, dw, du, *offsets = torch.autograd.grad(h, (leaf, *layer.parameters()), gh)
    return h.detach(), dx, dw.float(), du.float(), torch.stack(offsets).float()


# --------------------------------------------------------------------------------- the products of the CUDA rungs


def input_product(x: Any, w: Any, bias: Any, p: Any) -> None:
    """p = x w^T + b, of all steps."""
    import torch

    rows, columns, offset = (widened(tensor) for tensor in (x.reshape(-1, x.shape[-1]), w.T, bias[0]))
    flat = p.view(-1, w.shape[0])
    if flat.dtype == rows.dtype:
        torch.addmm(offset, rows, columns, out=flat)
    else:
        flat.copy_(torch.addmm(offset, rows, columns))


def transposed(u: Any, columns: Any) -> None:
    columns.view(u.shape[1], u.shape[0]).copy_(u.T)


def state_gradient(dq: Any, h: Any, du: Any) -> None:
    """du = the sum of dq_t^T h_{t-1}: the product of all rows with those before them, less what it takes over the seams
    between sequences."""
    import torch

    H = h.shape[-1]
    rows, states = widened(dq.reshape(-1, du.shape[0])[1:].T), widened(h.reshape(-1, H)[:-1])
    if rows.dtype == du.dtype:
        torch.mm(rows, states, out=du)
    else:
        torch.mm(rows, states, out_dtype=du.dtype, out=du)
    if h.shape[0] > 1:
        first = dq.reshape(h.shape[0], h.shape[1], -1)[1:, 0]
        du.addmm_(first.float().T, h[:-1, -1].float(), alpha=-1)


def bias_gradients(dp: Any, dq: Any, dbias: Any) -> None:
    import torch

    for row, of in enumerate((dp, dq)):
        torch.sum(of.reshape(-1, dbias.shape[1]), 0, dtype=torch.float32, out=dbias[row])
