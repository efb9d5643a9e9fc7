"""Gates and scan in torch, as one writes them first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from kernel_variants.scan import backward_in_torch as scan_backward
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
    idea="torch: the gates for all steps, then two operations per step",
    plan=_plan,
    cost=_cost,
    factors={"algorithm": "serial", "source": "torch", "fusion": "none"},
    rung=0,
)


BACKWARD_NAMES, GRADIENTS = ("kv", "h", "h0", "gh", "gh_last"), ("dkv", "dh0")


def autograd(kv: Any, h: Any, h0: Any, gh: Any, gh_last: Any) -> tuple[Any, Any]:
    """Gates and recurrence run again under autograd, and back; h is not read."""
    import torch

    leaf, initial = kv.detach().requires_grad_(), h0.detach().requires_grad_()
    with torch.enable_grad():
        out, last = eager_loop(*eager_gates(leaf), initial)
    gradient = torch.zeros_like(last) if gh_last is None else gh_last
    dkv, dh0 = torch.autograd.grad((out, last), (leaf, initial), (gh.float(), gradient))
    return dkv, dh0


def eager_backward(kv: Any, h: Any, h0: Any, gh: Any, gh_last: Any) -> tuple[Any, Any]:
    """The chain rule written out, around the scan's loop from the end of time."""
    return chain_rule(scan_backward.eager_loop, kv, h, h0, gh, gh_last)


def chain_rule(
    scan: Callable[..., tuple[Any, Any, Any]], kv: Any, h: Any, h0: Any, gh: Any, gh_last: Any
) -> tuple[Any, Any]:
    """The decays, a backward scan, the gates' gradients."""
    import torch

    k, v = kv[:, :, 0].float(), kv[:, :, 1].float()
    a, z = torch.sigmoid(-k), torch.sigmoid(k)
    below = torch.sigmoid(v)
    da, db, dh0 = scan(a, h, h0, gh, gh_last)
    dk = (db * torch.where(v >= 0, v + 0.5, below) - da) * z * a
    dv = db * z * torch.where(v >= 0, torch.ones_like(v), below * torch.sigmoid(-v))
    return torch.stack((dk, dv), dim=2).to(kv.dtype), dh0


def autograd_cost(shape: Shape, settings: Settings) -> Cost:
    """Forward again; back through the loop as the scan's autograd; and about twice what the gates move, back through
    those."""
    n, T = shape["B"] * shape["T"] * shape["H"], shape["T"]
    wide = Shape.of("float32", **shape.as_dict())
    loop = Cost((3 + 3 + 3 + 2 * 2) * 4 * n, flops=3 * n, launches=3 * T + 4, serial_steps=2 * T)
    gates = eager_gates_cost(shape, settings)
    return eager_scan_cost(wide, settings) + loop + gates + gates + gates + Cost(0, kept_bytes=_kept(shape, h=False))


def eager_backward_cost(shape: Shape, settings: Settings) -> Cost:
    """The scan's loop, and around it: both sigmas, sigma(v), two choices, eight products and sums, the stack. In bf16 k
    and v are widened first and dkv narrowed last."""
    n, E = shape["B"] * shape["T"] * shape["H"], shape.element_bytes
    cast = 0 if E == 4 else 4 * n * (E + 4)
    pointwise = n * (8 * 5 + 2 * (12 + 1 + 5) + 8 * 12 + 4 * 4 * 2)
    around = Cost(pointwise + cast, flops=12 * n, special=8 * n, launches=19)
    return replace(scan_backward.eager_cost(shape, settings) + around, kept_bytes=_kept(shape))


def _kept(shape: Shape, h: bool = True) -> int:
    return (2 + h) * shape["B"] * shape["T"] * shape["H"] * shape.element_bytes


def _backward(name: str, idea: str, function: Any, cost: Any, rung: int) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(function, BACKWARD_NAMES, GRADIENTS),))

    return Variant(
        name=name,
        operation="gated_scan",
        pass_="backward",
        devices=("cpu", "cuda"),
        idea=idea,
        plan=plan,
        cost=cost,
        factors={"algorithm": "serial", "source": "torch", "fusion": "none"},
        rung=rung,
    )


BACKWARD_RUNGS = (
    _backward("autograd", "torch's autograd: gates and loop forwards again, and back", autograd, autograd_cost, 0),
    _backward("eager", "torch: the chain rule written out, a loop from the end of time", eager_backward,
              eager_backward_cost, 1),
)  # fmt: skip
