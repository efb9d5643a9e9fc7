"""The passes once more, a step at a time and differentiable: what layers and kernels are held against in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from kernel_variants.modules import passes

ANEW, SKIPPED = 1, 2
BOUNDS = {torch.float32: 2e-6, torch.bfloat16: 4e-3}
"""Of the relative error of values and gradients."""


def order(T: int, reverse: bool) -> range:
    return range(T - 1, -1, -1) if reverse else range(T)


def scan(a: Tensor, b: Tensor, h0: Tensor, marks: Tensor | None = None, reverse: bool = False) -> tuple[Tensor, Tensor]:
    state, rows = h0, [torch.empty(0)] * b.shape[1]
    for t in order(b.shape[1], reverse):
        before, skipped = _marked(state, marks, t)
        after = a[:, t] * before + b[:, t]
        rows[t], state = _kept(before, after, skipped)
    return torch.stack(rows, 1), state


def gated_scan(
    kv: Tensor,
    h0: Tensor,
    w: Tensor | None = None,
    marks: Tensor | None = None,
    reverse: bool = False,
    linear: bool = False,
) -> tuple[Tensor, Tensor]:
    state, rows = h0, [torch.empty(0)] * kv.shape[1]
    for t in order(kv.shape[1], reverse):
        before, skipped = _marked(state, marks, t)
        k, v = kv[:, t, 0], kv[:, t, 1]
        k = k if w is None else k + w * before
        c = v if linear else torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
        after = torch.sigmoid(-k) * before + torch.sigmoid(k) * c
        rows[t], state = _kept(before, after, skipped)
    return torch.stack(rows, 1), state


def _marked(state: Tensor, marks: Tensor | None, t: int) -> tuple[Tensor, Tensor | None]:
    if marks is None:
        return state, None
    mark = marks[:, t, None]
    return torch.where(mark == ANEW, torch.zeros_like(state), state), mark == SKIPPED


def _kept(before: Tensor, after: Tensor, skipped: Tensor | None) -> tuple[Tensor, Tensor]:
    if skipped is None:
        return after, after
    return torch.where(skipped, torch.zeros_like(after), after), torch.where(skipped, before, after)


def error(found: Tensor, expected: Tensor) -> float:
    """Relative L2."""
    found, expected = found.detach().double(), expected.detach().double()
    return float((found - expected).norm() / expected.norm().clamp_min(1e-30))


def preactivations(B: int, T: int, H: int, regime: str) -> Tensor:
    """k, v of N(0, 1); k of N(-4, 1), slow; or of -100 and 100, saturated."""
    kv = torch.randn(B, T, 2, H)
    if regime == "slow":
        kv[:, :, 0] -= 4
    elif regime == "saturated":
        kv[:, :, 0] = torch.where(kv[:, :, 0] > 0, 100.0, -100.0)
    return kv


def random_marks(B: int, T: int) -> Tensor:
    """Steps that start anew here and there, padding at either end and in the middle."""
    marks = (torch.rand(B, T) < 0.1).to(torch.uint8) * ANEW
    marks[0, T - 9 :] = SKIPPED
    marks[1, :4] = SKIPPED
    marks[1, 20:23] = SKIPPED
    return marks


def gated_errors(
    kv: Tensor, h0: Tensor, w: Tensor | None, marks: Tensor | None, reverse: bool, linear: bool
) -> dict[str, float]:
    """Relative errors of values and gradients, every output with a gradient of its own."""
    given = [x for x in (kv, h0, w) if x is not None]
    own = [x.clone().requires_grad_() for x in given]
    exact = [x.double().requires_grad_() for x in given]
    h, h_last = passes.gated_scan(own[0], own[1], own[2] if w is not None else None, marks, reverse, linear)
    gh, gh_last = torch.randn(h.shape).to(h.dtype), torch.randn(h_last.shape)
    found = [h, h_last, *torch.autograd.grad([h, h_last], own, [gh, gh_last])]
    values = gated_scan(exact[0], exact[1], exact[2] if w is not None else None, marks, reverse, linear)
    expected = [*values, *torch.autograd.grad(values, exact, [gh.double(), gh_last.double()])]
    names = ("h", "h_last", "dkv", "dh0", "dw")
    return {name: error(f, e) for name, f, e in zip(names, found, expected, strict=False)}
