"""The layer as one writes it first in torch: a loop over time with every product inside."""

from __future__ import annotations

from typing import Any

from kernel_variants.gate import eager as gate
from kernel_variants.gate import products


def layer(x: Any, w: Any, bias: Any, h0: Any, w_out: Any, bias_out: Any) -> tuple[Any, Any]:
    """x (B, T, D) → y (B, T, O), h_last (B, H) float32. The state is float32, its projection in the dtype of x."""
    import torch

    state = torch.zeros(x.shape[0], w.shape[1], device=x.device) if h0 is None else h0
    inputs, weights, offsets = (products.widened(tensor) for tensor in (x, w, bias))
    w_projection, b_projection = products.widened(w_out), products.widened(bias_out)
    outputs = []
    for at in inputs.unbind(1):
        a, b = gate.gates(at, weights, offsets)
        state = a * state + b
        outputs.append(torch.nn.functional.linear(state.to(w_projection.dtype), w_projection, b_projection))
    return torch.stack(outputs, dim=1).to(x.dtype), state
