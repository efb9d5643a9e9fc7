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
    # 1 - z as a sigmoid of its own: where z is near 1, which is where memory is long, a difference has few digits left,
    # and every gradient of the input passes through it.
    not_z = torch.sigmoid(-(p_z + q_z))
    n = torch.tanh(p_n + torch.sigmoid(p_r + q_r) * q_n)
    return torch.lerp(state[0], n, not_z), state[1]


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


def _layer(name: str, block: int | None, x: Any, w: Any, u: Any, bias: Any, *initial: Any) -> tuple[Any, ...]:
    """x (B, T, D), first states (B, H) or None → h (B, T, H) and the last states, float32; of each block of time, where
    it has them, only the first states are kept."""
    import torch
    from torch.utils.checkpoint import checkpoint

    p = torch.nn.functional.linear(x, w, bias[0])
    run = partial(_block, STEPS[name])
    none = torch.zeros(x.shape[0], u.shape[1], device=x.device)
    h, inner = (none if state is None else state for state in (*initial, None)[:2])
    if block is None:
        row, h, inner = run(p, u, bias[1], h, inner)
        return (row, h, inner)[: 1 + len(initial)]
    rows = []
    for part in p.split(block, 1):
        row, h, inner = checkpoint(run, part, u, bias[1], h, inner, use_reentrant=False)
        rows.append(row)
    return (torch.cat(rows, 1), h, inner)[: 1 + len(initial)]


def forward(x: Any, w: Any, u: Any, bias: Any, *initial: Any, name: str) -> tuple[Any, ...]:
    """h and the last states."""
    import torch

    with torch.no_grad():
        h, *last = _layer(name, None, x.float(), w.float(), u.float(), bias.float(), *initial)
    return h.to(x.dtype), *last


def _sorted_out(more: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any, tuple[Any, ...]]:
    """What a training pass is given behind its parameters: first states, gh, and what the loss says of the last."""
    states = len(more) // 2
    return more[:states], more[states], more[states + 1 :]


def _gradients(values: Any, leaves: Any, gh: Any, incoming: Any) -> tuple[Any, ...]:
    """Of the leaves, from those of h and of the last states, of which some may be absent."""
    import torch

    said = [(value, g) for value, g in zip(values, (gh, *incoming), strict=True) if g is not None]
    return torch.autograd.grad([value for value, _ in said], leaves, [g for _, g in said])  # type: ignore[no-any-return]


def training(x: Any, w: Any, u: Any, bias: Any, *more: Any, name: str, block: int | None) -> tuple[Any, ...]:
    """h, the last states, and the gradients of x, w, u, bias and the first states, by autograd."""
    import torch

    initial, gh, incoming = _sorted_out(more)
    leaves = [leaf.float().detach().requires_grad_() for leaf in (x, w, u, bias, *initial)]
    with torch.enable_grad():
        values = _layer(name, block, *leaves)
        dx, *others = _gradients(values, leaves, gh.float(), incoming)
    h, *last = (value.detach() for value in values)
    return h.to(x.dtype), *last, dx.to(x.dtype), *others


def module(w: Any, u: Any, bias: Any, kind: str) -> Any:
    """torch.nn.RNN, GRU or LSTM with these weights, laid out as its library wants them."""
    import torch

    layer = getattr(torch.nn, kind)(w.shape[1], u.shape[1], batch_first=True, device=w.device, dtype=w.dtype)
    parts = {"weight_ih_l0": w, "weight_hh_l0": u, "bias_ih_l0": bias[0], "bias_hh_l0": bias[1]}
    layer.load_state_dict(parts)
    layer.flatten_parameters()
    return layer


def _in_library(layer: Any, x: Any, initial: Any) -> tuple[Any, ...]:
    """h in the layer's dtype, the last states float32."""
    states = [state.to(x.dtype)[None] for state in initial if state is not None]
    h, last = layer(x, None if not states else states[0] if len(states) == 1 else tuple(states))
    return h, *(state[0].float() for state in (last if isinstance(last, tuple) else (last,)))


def library_forward(x: Any, w: Any, u: Any, bias: Any, *initial: Any, layer_of: OwnForm) -> tuple[Any, ...]:
    """In full float32 where that is the dtype: cuDNN would round factors to TF32."""
    import torch

    layer = layer_of(w, u, bias)
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return _in_library(layer, x, initial)


def library_training(x: Any, w: Any, u: Any, bias: Any, *more: Any, layer_of: OwnForm) -> tuple[Any, ...]:
    import torch

    initial, gh, incoming = _sorted_out(more)
    layer, (leaf, *states) = layer_of(w, u, bias), (each.detach().requires_grad_() for each in (x, *initial))
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        values = _in_library(layer, leaf, states)
        leaves = (leaf, *layer.parameters(), *states)
        dx, dw, du, b, c, *into_states = _gradients(values, leaves, gh, incoming)
    return *(v.detach() for v in values), dx, dw.float(), du.float(), torch.stack((b, c)).float(), *into_states


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


def state_gradient(dq: Any, h: Any, h0: Any, du: Any) -> None:
    """du = the sum of dq_t^T h_{t-1}: the product of all rows with those before them, less what it takes over the seams
    between sequences, and that of the first steps with h0."""
    import torch

    H = h.shape[-1]
    rows, states = widened(dq.reshape(-1, du.shape[0])[1:].T), widened(h.reshape(-1, H)[:-1])
    if rows.dtype == du.dtype:
        torch.mm(rows, states, out=du)
    else:
        torch.mm(rows, states, out_dtype=du.dtype, out=du)
    first = dq.reshape(h.shape[0], h.shape[1], -1)[:, 0].float()
    du.addmm_(first.T, h0)
    if h.shape[0] > 1:
        du.addmm_(first[1:].T, h[:-1, -1].float(), alpha=-1)


def into_first_state(dq: Any, direct: Any, u: Any, dh0: Any) -> None:
    """dh0 = dq_1 u, and what came to it by another way."""
    import torch

    first = dq.flatten(2)[:, 0] if dq.dim() > 3 else dq[:, 0]
    torch.addmm(direct, first.float(), u.float(), out=dh0)


def bias_gradients(dp: Any, dq: Any, dbias: Any) -> None:
    import torch

    for row, of in enumerate((dp, dq)):
        torch.sum(of.reshape(-1, dbias.shape[1]), 0, dtype=torch.float32, out=dbias[row])
