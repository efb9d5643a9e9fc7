"""SRU's second version in torch: a loop with its gates inside, and autograd through it."""

from __future__ import annotations

from functools import partial
from typing import Any

from kernel_variants.sru_scan.cell import has_mask, has_tanh, own_highway
from kernel_variants.sru_scan.in_torch import FACTORS, given_beside
from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant


def eager(pre: Any, *others: Any, tanh: bool, masked: bool, dtype: str) -> tuple[Any, Any, Any]:
    """pre, x and m where there are any, w, c0 → h, c, c_last, both directions one after the other."""
    import torch

    *x, w, c0 = others
    m = x.pop()[:, :, None] if masked else None
    found = []
    for direction in range(pre.shape[2]):
        k, v, r, *own = pre[:, :, direction].float().unbind(2)
        direct = x[0][:, :, direction].float() if x else own[0]
        w_k, w_r = w[direction]
        state, states = c0[direction], []
        order = -1 if direction else 1
        for k_at, v_at in zip(k.unbind(1)[::order], v.unbind(1)[::order], strict=True):
            gate = k_at + w_k * state
            states.append(state)
            state = torch.sigmoid(-gate) * state + torch.sigmoid(gate) * v_at
        before = torch.stack(states[::order], 1)
        c = torch.stack([*states[1:], state][::order], 1)
        gate = r + w_r * before
        y = torch.tanh(c) if tanh else c
        y = y if m is None else m[direction] * y
        found.append((torch.sigmoid(gate) * y + torch.sigmoid(-gate) * direct, c, state))
    h, c, last = zip(*found, strict=True)
    kind = getattr(torch, dtype)
    return torch.stack(h, 2).to(kind), torch.stack(c, 2).to(kind), torch.stack(last)


def autograd(pre: Any, *others: Any, tanh: bool, masked: bool) -> tuple[Any, ...]:
    """The same run again under autograd, and back; c is not read. → dpre, dx where there is an x, dw, dc0."""
    import torch

    *x, w, c0, _, gh, gc_last = others
    m = [x.pop()] if masked else []
    leaves = [tensor.detach().requires_grad_() for tensor in (pre, *x, w, c0)]
    with torch.enable_grad():
        h, _, last = eager(*leaves[:-2], *m, *leaves[-2:], tanh=tanh, masked=masked, dtype="float32")
    return tuple(torch.autograd.grad((h, last), leaves, (gh.float(), gc_last)))


def cost(shape: Shape, settings: Settings) -> Cost:
    """Eight operations per step of 22 values per element in all; then two stacks, the other gate and the highway."""
    directions, T = shape["directions"], shape["T"]
    n = shape["B"] * T * shape["H"] * directions
    casts = 0 if shape.dtype == "float32" else n * 6 * (shape.element_bytes + 4)
    tanh = has_tanh(shape)
    moved = n * 4 * (22 + 2 * 2 + 5 + 2 * 2 + 2 + 3 * 3 + 2 * tanh + 2 * has_mask(shape) + 2 * 2)
    launches = directions * (8 * T + 12)
    return Cost(moved + casts, 14 * n, special=(4 + tanh) * n, launches=launches, serial_steps=8 * T * directions)


def autograd_cost(shape: Shape, settings: Settings) -> Cost:
    """Forward again, and back about twice what it moves."""
    forward = cost(Shape.of("float32", **shape.as_dict()), settings)
    n = shape["B"] * shape["T"] * shape["H"] * shape["directions"]
    return forward + forward + forward + Cost(0, kept_bytes=4 * n * shape.element_bytes)


def _forward(shape: Shape, settings: Settings) -> Plan:
    names = ("pre", *given_beside(shape), "w", "c0")
    function = partial(eager, tanh=has_tanh(shape), masked=has_mask(shape), dtype=shape.dtype)
    return Plan((Call(function, names, ("h", "c", "c_last")),))


def _backward(shape: Shape, settings: Settings) -> Plan:
    names = ("pre", *given_beside(shape), "w", "c0", "c", "gh", "gc_last")
    gradients = ("dpre", *(() if own_highway(shape) else ("dx",)), "dw", "dc0")
    return Plan((Call(partial(autograd, tanh=has_tanh(shape), masked=has_mask(shape)), names, gradients),))


RUNGS = (
    Variant("eager", "sru2_scan", ("cpu", "cuda"), "torch: eight operations per step, the highway for all at once",
            _forward, cost, FACTORS, rung=0),
    Variant("autograd", "sru2_scan", ("cpu", "cuda"), "torch's autograd: all of it forwards again, and back",
            _backward, autograd_cost, FACTORS, rung=0, pass_="backward"),
)  # fmt: skip
