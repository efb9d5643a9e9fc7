"""Affine recurrences h_t = a_t h_{t-1} + b_t in torch: one scan forward, one over flipped time backward.

Backward in the form that needs no neighbour (μ): with g_t the gradient of the loss by h_t through all later steps,
μ_t = a_t g_t obeys μ_t = a_t μ_{t+1} + a_t gh_t, where gh_t is what comes in from outside. That is the same recurrence
over flipped time. Then g_t = gh_t + μ_{t+1} is the gradient by b_t, g_t h_{t-1} that by a_t, and μ_1 that by h_0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Scan = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(a, b, h0) → h: a, b and h have shape (B, T, …), h0 lacks the T. A kernel, or `doubling`."""


def doubling(a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """The scan by log2 T doublings (Hillis and Steele 1986), in torch alone: on any device, T log T work."""
    h = b.clone()
    h[:, 0] += a[:, 0] * h0
    decay = a
    reach = 1
    while reach < a.shape[1]:
        h = torch.cat((h[:, :reach], h[:, reach:] + decay[:, reach:] * h[:, :-reach]), 1)
        decay = torch.cat((decay[:, :reach], decay[:, reach:] * decay[:, :-reach]), 1)
        reach *= 2
    return h


def reverse(a: Tensor, gh: Tensor, carry: Tensor, scan: Scan) -> Tensor:
    """μ for one block of time: a, gh (B, T, …); `carry` is the μ of the step after the block."""
    return scan(a.flip(1), (a * gh).flip(1), carry).flip(1)


def gradients(mu: Tensor, gh: Tensor, carry: Tensor, h: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients by a and by b from μ; `before` is the state before the block, `carry` the μ of the step after it."""
    g = gh + torch.cat((mu[:, 1:], carry.unsqueeze(1)), 1)
    return g * torch.cat((before.unsqueeze(1), h[:, :-1]), 1), g


def product(a: Tensor) -> Tensor:
    """What a whole block multiplies its start by: (B, …). Zero where it underflows: then nothing crosses it."""
    return a.prod(1)


def saved(context: Any, *tensors: Tensor) -> None:
    """Keeps tensors for the backward pass; the type of autograd's context is private to torch."""
    context.save_for_backward(*tensors)
