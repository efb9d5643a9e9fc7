"""The passes once more, a step at a time and differentiable: what layers and kernels are held against in float64."""

from __future__ import annotations

import torch
from torch import Tensor

ANEW, SKIPPED = 1, 2


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
