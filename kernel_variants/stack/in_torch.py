"""The stack as one writes it first in torch, and its autograd."""

from __future__ import annotations

from typing import Any

from kernel_variants.gate.products import widened
from kernel_variants.gated_scan.in_torch import eager_gates
from kernel_variants.scan.in_torch import eager_loop


def stack(x: Any, w: Any, bias: Any, h0: Any) -> tuple[Any, Any]:
    """x (B, T, directions H) → y (B, T, directions, H), h_last: of each layer and direction one product, the gates for
    all steps, two operations per step."""
    import torch

    layers, directions, _, H, _ = w.shape
    last = []
    for layer in range(layers):
        rows = []
        for direction in range(directions):
            cell = layer, direction
            seen = x.flip(1) if direction else x
            factors = (seen, w[cell].flatten(0, 1), bias[cell].flatten())
            kv = torch.nn.functional.linear(*map(widened, factors)).to(x.dtype)
            h, state = eager_loop(*eager_gates(kv.unflatten(-1, (2, H))), h0[cell])
            h = h.to(x.dtype)
            rows.append(h.flip(1) if direction else h)
            last.append(state)
        x = torch.cat(rows, -1)
    return x.unflatten(-1, (directions, H)), torch.stack(last).view(h0.shape)


def autograd(x: Any, w: Any, bias: Any, h0: Any, gy: Any, gh_last: Any) -> tuple[Any, ...]:
    import torch

    leaves = [tensor.detach().requires_grad_() for tensor in (x, w, bias, h0)]
    with torch.enable_grad():
        y, last = stack(*leaves)
        dx, dw, dbias, dh0 = torch.autograd.grad((y, last), leaves, (gy, gh_last))
    return y.detach(), last.detach(), dx, dw.float(), dbias.float(), dh0
