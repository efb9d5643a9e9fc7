"""Gates and scan in torch, as one writes them first."""

from __future__ import annotations

from functools import partial
from typing import Any

from kernel_variants.scan.in_torch import eager_cost as eager_scan_cost
from kernel_variants.scan.in_torch import eager_loop
from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant


def eager_gates(kv: Any) -> tuple[Any, Any]:
    """kv (B, T, 2, H) in any dtype → a, b (B, T, H) float32: an operation for every sign in the equations."""
    import torch

    k, v = kv[:, :, 0].float(), kv[:, :, 1].float()
    candidate = torch.where(v >= 0, v + 0.5, torch.sigmoid(v))
    return torch.sigmoid(-k), torch.sigmoid(k) * candidate


def eager_gates_cost(shape: Shape, settings: Settings) -> Cost:
    """-k, sigma, sigma, v >= 0, v + 1/2, sigma, where, product. In float32 values: 2 for each of the five with one
    operand, one and a byte for the comparison, three and a byte for where, three for the product. In bf16 k and v are
    widened first (2 E read, 2 float32 written)."""
    n = shape["B"] * shape["T"] * shape["H"]
    widen = 0 if shape.dtype == "float32" else n * 2 * (shape.element_bytes + 4)
    operations = n * (5 * 8 + (4 + 1) + (12 + 1) + 12)
    return Cost(widen + operations, flops=8 * n, special=6 * n, launches=8 + 2 * (widen > 0))


def eager_scan(kv: Any, h0: Any, dtype: str) -> tuple[Any, Any]:
    return eager_loop(*eager_gates(kv), h0, dtype)


def _plan(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(partial(eager_scan, dtype=shape.dtype), ("kv", "h0"), ("h", "h_last")),))


def _cost(shape: Shape, settings: Settings) -> Cost:
    return eager_gates_cost(shape, settings) + eager_scan_cost(shape, settings)


EAGER = Variant(
    name="eager",
    operation="gated_scan",
    devices=("cpu", "cuda"),
    idea="torch: the gates for all steps, then two operations a step",
    plan=_plan,
    cost=_cost,
    factors={"algorithm": "serial", "source": "torch", "fusion": "none"},
    rung=0,
)
