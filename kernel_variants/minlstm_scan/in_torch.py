"""minLSTM's scan in torch: the gates as the paper writes them, the gates that hold, and autograd through either."""

from __future__ import annotations

from functools import partial
from typing import Any

from kernel_variants.scan.in_torch import eager_cost as eager_scan_cost
from kernel_variants.scan.in_torch import eager_loop
from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant

LOSS = "f + i underflows: NaN gradients where both logits are near -90, and NaN values there or a little below"


def by_logit(k_f: Any, k_i: Any) -> tuple[Any, Any]:
    """a and z by one sigmoid each, of a logit that no k turns to infinity."""
    import torch
    from torch.nn.functional import softplus

    logit = softplus(-k_i) - softplus(-k_f)
    return torch.sigmoid(logit), torch.sigmoid(-logit)


def by_quotient(k_f: Any, k_i: Any) -> tuple[Any, Any]:
    """a and z as written: f / (f + i), i / (f + i)."""
    import torch

    f, i = torch.sigmoid(k_f), torch.sigmoid(k_i)
    return f / (f + i), i / (f + i)


def scanned(pre: Any, h0: Any, dtype: str, gates: Any) -> tuple[Any, Any]:
    """pre (B, T, 3, H) in any dtype, h0 (B, H) or None → h in `dtype`, h_last."""
    import torch

    k_f, k_i, v = pre.float().unbind(2)
    a, z = gates(k_f, k_i)
    return eager_loop(a, z * torch.where(v >= 0, v + 0.5, torch.sigmoid(v)), h0, dtype)


def autograd(pre: Any, h: Any, h0: Any, gh: Any, gh_last: Any, gates: Any) -> tuple[Any, Any]:
    """Gates and recurrence run again under autograd, and back; h is not read."""
    import torch

    leaf, initial = pre.detach().requires_grad_(), h0.detach().requires_grad_()
    with torch.enable_grad():
        out, last = scanned(leaf, initial, "float32", gates)
    gradient = torch.zeros_like(last) if gh_last is None else gh_last
    dpre, dh0 = torch.autograd.grad((out, last), (leaf, initial), (gh.float(), gradient))
    return dpre, dh0


def gates_cost(shape: Shape) -> Cost:
    """Two softplus of a negation, their difference, two sigmas, a negation, and the candidate's five operations and the
    product, as in gated_scan: each reads and writes float32. The quotient's operations are as many."""
    n = shape["B"] * shape["T"] * shape["H"]
    widen = 0 if shape.dtype == "float32" else n * 3 * (shape.element_bytes + 4)
    operations = n * (4 * 8 + 12 + 3 * 8 + 2 * 8 + 5 + 13 + 12)
    return Cost(widen + operations, flops=10 * n, special=8 * n, launches=12 + (widen > 0))


def cost(shape: Shape, settings: Settings) -> Cost:
    return gates_cost(shape) + eager_scan_cost(shape, settings)


def autograd_cost(shape: Shape, settings: Settings) -> Cost:
    """As gated_scan's: forward again, back through the loop, and twice what the gates move, back through those."""
    n, T = shape["B"] * shape["T"] * shape["H"], shape["T"]
    wide = Shape.of("float32", **shape.as_dict())
    loop = Cost((3 + 3 + 3 + 2 * 2) * 4 * n, flops=3 * n, launches=3 * T + 4, serial_steps=2 * T)
    gates = gates_cost(shape)
    kept = Cost(0, kept_bytes=3 * n * shape.element_bytes)
    return eager_scan_cost(wide, settings) + loop + gates + gates + gates + kept


def _variant(name: str, idea: str, gates: Any, rung: int, *, backward: bool, known_loss: str = "") -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        if backward:
            names = ("pre", "h", "h0", "gh", "gh_last")
            return Plan((Call(partial(autograd, gates=gates), names, ("dpre", "dh0")),))
        return Plan((Call(partial(scanned, dtype=shape.dtype, gates=gates), ("pre", "h0"), ("h", "h_last")),))

    return Variant(
        name=name,
        operation="minlstm_scan",
        pass_="backward" if backward else "forward",
        devices=("cpu", "cuda"),
        idea=idea,
        plan=plan,
        cost=autograd_cost if backward else cost,
        factors={"algorithm": "serial", "source": "torch", "fusion": "none"},
        known_loss=known_loss,
        rung=rung,
    )


RUNGS = (
    _variant("quotient", "torch, f / (f + i) as written: 0 / 0 where both gates vanish", by_quotient, 0,
             backward=False, known_loss=LOSS),
    _variant("eager", "torch, the same gates by the logit softplus(-k_f) - softplus(-k_i)", by_logit, 1,
             backward=False),
    _variant("quotient", "torch's autograd through f / (f + i): NaN where both logits are near -90", by_quotient, 0,
             backward=True, known_loss=LOSS),
    _variant("autograd", "torch's autograd: logit, gates and loop forwards again, and back", by_logit, 1,
             backward=True),
)  # fmt: skip
