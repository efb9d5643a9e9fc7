"""The gates as one writes them first in torch: a product a gate, then an operation at a time over (B, T, H)."""

from __future__ import annotations

from typing import Any


def candidate(v: Any) -> Any:
    """g(v): v + 1/2 for v >= 0, sigma(v) for v < 0."""
    import torch

    return torch.where(v >= 0, v + 0.5, torch.sigmoid(v))


def linear(x: Any, w: Any, bias: Any) -> Any:
    """x w^T + bias in float32. x (..., D), w (N, D), bias (N,), all of one dtype.

    The bias is added after widening: a bf16 logit near -4 is off by 0.009, which the gate cannot bear, and one of
    the product alone, near 0, by a sixth of that. On a CPU the factors are widened too (see products.py).
    """
    import torch

    if x.device.type == "cpu":
        return torch.nn.functional.linear(x.float(), w.float(), bias.float())
    return torch.nn.functional.linear(x, w).float() + bias.float()


def gates(x: Any, w: Any, bias: Any) -> tuple[Any, Any]:
    """x (..., D), w (2, H, D), bias (2, H) → a, b (..., H) float32."""
    import torch

    k, v = linear(x, w[0], bias[0]), linear(x, w[1], bias[1])
    return torch.sigmoid(-k), torch.sigmoid(k) * candidate(v)
