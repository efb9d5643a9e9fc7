"""The GRU layer of torch: cuDNN on a GPU, oneDNN or torch's own loop on a CPU."""

from __future__ import annotations

from functools import partial
from typing import Any

from kernel_variants.gru.operation import least
from kernel_variants.own_form import OwnForm
from workbench.declare import Call, Plan, Settings, Shape, Variant


def module(w: Any, u: Any, bias: Any, kind: str) -> Any:
    """torch.nn.GRU or LSTM with these weights, laid out as its library wants them."""
    import torch

    layer = getattr(torch.nn, kind)(w.shape[1], u.shape[1], batch_first=True, device=w.device, dtype=w.dtype)
    parts = {"weight_ih_l0": w, "weight_hh_l0": u, "bias_ih_l0": bias[0], "bias_hh_l0": bias[1]}
    layer.load_state_dict(parts)
    layer.flatten_parameters()
    return layer.eval()


GRU = OwnForm(partial(module, kind="GRU"))


def run(x: Any, w: Any, u: Any, bias: Any, layer_of: OwnForm) -> Any:
    """x (B, T, D) → h (B, T, H), in full float32 where that is its dtype: cuDNN would round factors to TF32."""
    import torch

    layer = layer_of(w, u, bias)
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return layer(x)[0]


def plan(shape: Shape, settings: Settings, layer_of: OwnForm) -> Plan:
    return Plan((Call(partial(run, layer_of=layer_of), ("x", "w", "u", "bias"), ("h",)),))


VARIANTS = (
    Variant(
        name="torch",
        operation="gru",
        devices=("cpu", "cuda"),
        idea="torch.nn.GRU: cuDNN on a GPU; its weights laid out beforehand",
        plan=partial(plan, layer_of=GRU),
        cost=lambda shape, settings: least(shape),
        factors={"source": "torch", "peer": "yes"},
    ),
)
