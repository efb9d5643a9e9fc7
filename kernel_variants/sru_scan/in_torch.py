"""SRU in torch: the gates for all steps, the scan's loop for each direction, the highway; and autograd through that."""

from __future__ import annotations

from functools import partial
from typing import Any

from kernel_variants.scan.in_torch import eager_cost as eager_scan_cost
from kernel_variants.scan.in_torch import eager_loop
from kernel_variants.sru_scan.cell import has_mask, has_tanh, own_highway
from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant


def eager(pre: Any, *others: Any, tanh: bool, masked: bool, dtype: str) -> tuple[Any, Any, Any]:
    """pre, x and m where there are any, c0 → h, c, c_last, both directions one after the other."""
    import torch

    *x, c0 = others
    m = x.pop()[:, :, None] if masked else None
    found = []
    for direction in range(pre.shape[2]):
        k, v, r, *own = pre[:, :, direction].float().unbind(2)
        direct = x[0][:, :, direction].float() if x else own[0]
        a, b = torch.sigmoid(-k), torch.sigmoid(k) * v
        if direction:
            a, b = a.flip(1), b.flip(1)
        c, last = eager_loop(a, b, c0[direction])
        c = c.flip(1) if direction else c
        s = torch.sigmoid(r)
        y = torch.tanh(c) if tanh else c
        y = y if m is None else m[direction] * y
        found.append((s * y + torch.sigmoid(-r) * direct, c, last))
    h, c, last = zip(*found, strict=True)
    kind = getattr(torch, dtype)
    return torch.stack(h, 2).to(kind), torch.stack(c, 2).to(kind), torch.stack(last)


def autograd(pre: Any, *others: Any, tanh: bool, masked: bool) -> tuple[Any, ...]:
    """The same run again under autograd, and back; c is not read. → dpre, dx where there is an x, dc0."""
    import torch

    *x, c0, _, gh, gc_last = others
    m = [x.pop()] if masked else []
    leaves = [tensor.detach().requires_grad_() for tensor in (pre, *x, c0)]
    with torch.enable_grad():
        h, _, last = eager(*leaves[:-1], *m, leaves[-1], tanh=tanh, masked=masked, dtype="float32")
    return tuple(torch.autograd.grad((h, last), leaves, (gh.float(), gc_last)))


def cost(shape: Shape, settings: Settings) -> Cost:
    """For each direction: -k, four sigmas and a negation, a product, phi, the mask, three for the highway, the loop and
    the stacks; casts where it is bf16."""
    n = shape["B"] * shape["T"] * shape["H"]
    one = Shape.of(shape.dtype, B=shape["B"], T=shape["T"], H=shape["H"])
    casts = 0 if shape.dtype == "float32" else n * 6 * (shape.element_bytes + 4)
    pointwise = n * (6 * 8 + has_tanh(shape) * 8 + has_mask(shape) * 8 + 4 * 12 + 2 * 8)
    around = Cost(pointwise + casts, flops=8 * n, special=(4 + has_tanh(shape)) * n, launches=13 + 2 * (casts > 0))
    total = around + eager_scan_cost(one, settings)
    return total + total if shape["directions"] == 2 else total


def autograd_cost(shape: Shape, settings: Settings) -> Cost:
    """Forward again, and back about twice what it moves."""
    forward = cost(Shape.of("float32", **shape.as_dict()), settings)
    n = shape["B"] * shape["T"] * shape["H"] * shape["directions"]
    return forward + forward + forward + Cost(0, kept_bytes=4 * n * shape.element_bytes)


def _forward(shape: Shape, settings: Settings) -> Plan:
    names = ("pre", *given_beside(shape), "c0")
    function = partial(eager, tanh=has_tanh(shape), masked=has_mask(shape), dtype=shape.dtype)
    return Plan((Call(function, names, ("h", "c", "c_last")),))


def _backward(shape: Shape, settings: Settings) -> Plan:
    names = ("pre", *given_beside(shape), "c0", "c", "gh", "gc_last")
    gradients = ("dpre", *(() if own_highway(shape) else ("dx",)), "dc0")
    return Plan((Call(partial(autograd, tanh=has_tanh(shape), masked=has_mask(shape)), names, gradients),))


def given_beside(shape: Shape) -> tuple[str, ...]:
    """What is read beside pre, weights and states."""
    return (*(() if own_highway(shape) else ("x",)), *(("m",) if has_mask(shape) else ()))


FACTORS = {"algorithm": "serial", "source": "torch", "fusion": "none"}
RUNGS = (
    Variant("eager", "sru_scan", ("cpu", "cuda"), "torch: gates for all steps, two operations per step, the highway",
            _forward, cost, FACTORS, rung=0),
    Variant("autograd", "sru_scan", ("cpu", "cuda"), "torch's autograd: all of it forwards again, and back",
            _backward, autograd_cost, FACTORS, rung=0, pass_="backward"),
)  # fmt: skip
