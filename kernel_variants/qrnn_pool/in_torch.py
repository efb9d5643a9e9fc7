"""QRNN's pooling in torch: the gates for all steps, the scan's loop; and autograd through that."""

from __future__ import annotations

from functools import partial
from typing import Any

from kernel_variants.qrnn_pool.cell import F_POOLING, IFO_POOLING, states_of
from kernel_variants.scan.in_torch import eager_cost as eager_scan_cost
from kernel_variants.scan.in_torch import eager_loop
from kernel_variants.sru_scan.in_torch import FACTORS
from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant


def eager(pre: Any, c0: Any, dtype: str) -> tuple[Any, ...]:
    """pre (B, T, rows, H), c0 (B, H) → h, c where h is another, c_last."""
    import torch

    k, v, *others = pre.float().unbind(2)
    write = torch.sigmoid(others[1] if len(others) > 1 else k)
    c, last = eager_loop(torch.sigmoid(-k), write * torch.tanh(v), c0)
    kind = getattr(torch, dtype)
    if not others:
        return c.to(kind), last
    return (torch.sigmoid(others[0]) * c).to(kind), c.to(kind), last


def autograd(pre: Any, c0: Any, c: Any, gh: Any, gc_last: Any) -> tuple[Any, ...]:
    """The same run again under autograd, and back; c is not read."""
    import torch

    leaves = [tensor.detach().requires_grad_() for tensor in (pre, c0)]
    with torch.enable_grad():
        h, *_, last = eager(leaves[0], leaves[1], "float32")
    return tuple(torch.autograd.grad((h, last), leaves, (gh.float(), gc_last)))


def cost(shape: Shape, settings: Settings) -> Cost:
    """-k, a function of each row and one of k's negation, products, the loop; casts where it is bf16."""
    n, rows = shape["B"] * shape["T"] * shape["H"], shape["rows"]
    one = Shape.of(shape.dtype, B=shape["B"], T=shape["T"], H=shape["H"])
    casts = 0 if shape.dtype == "float32" else n * rows * (shape.element_bytes + 4)
    output_gate = rows > F_POOLING
    operations = 2 + rows + (rows == IFO_POOLING)
    pointwise = n * (8 * operations + 12 * (1 + output_gate))
    launches = operations + 1 + output_gate + (casts > 0)
    around = Cost(pointwise + casts, flops=3 * n, special=(rows + 1) * n, launches=launches)
    return around + eager_scan_cost(one, settings)


def autograd_cost(shape: Shape, settings: Settings) -> Cost:
    """Forward again, and back about twice what it moves."""
    forward = cost(Shape.of("float32", **shape.as_dict()), settings)
    kept = shape["rows"] * shape["B"] * shape["T"] * shape["H"] * shape.element_bytes
    return forward + forward + forward + Cost(0, kept_bytes=kept)


def _forward(shape: Shape, settings: Settings) -> Plan:
    outputs = ("h", "c_last") if shape["rows"] == F_POOLING else ("h", "c", "c_last")
    return Plan((Call(partial(eager, dtype=shape.dtype), ("pre", "c0"), outputs),))


def _backward(shape: Shape, settings: Settings) -> Plan:
    return Plan((Call(autograd, ("pre", "c0", states_of(shape), "gh", "gc_last"), ("dpre", "dc0")),))


RUNGS = (
    Variant("eager", "qrnn_pool", ("cpu", "cuda"), "torch: gates for all steps, two operations per step", _forward,
            cost, FACTORS, rung=0),
    Variant("autograd", "qrnn_pool", ("cpu", "cuda"), "torch's autograd: all of it forwards again, and back", _backward,
            autograd_cost, FACTORS, rung=0, pass_="backward"),
)  # fmt: skip
