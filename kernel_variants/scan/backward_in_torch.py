"""The scan's backward pass in torch: autograd, the loop written out, and torch's own operator over flipped time."""

from __future__ import annotations

from typing import Any

from kernel_variants.scan import in_torch
from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant

NAMES, RESULTS = ("a", "h", "h0", "gh", "gh_last"), ("da", "db", "dh0")


def _before(h: Any, h0: Any) -> Any:
    """h_{t-1} for every t, float32. h (B, T, H), h0 (B, H) or None → (B, T, H)."""
    import torch

    first = torch.zeros_like(h[:, 0], dtype=torch.float32) if h0 is None else h0
    return torch.cat((first[:, None], h[:, :-1].float()), dim=1)


def autograd(a: Any, h: Any, h0: Any, gh: Any, gh_last: Any) -> tuple[Any, Any, Any]:
    """The recurrence run again under autograd, and back. What it was given for b follows from the states.

    In bf16 the states are those that were kept, rounded: b is then what leads from one to the next.
    """
    import torch

    decay = a.detach().requires_grad_()
    initial = (torch.zeros_like(a[:, 0]) if h0 is None else h0).detach().requires_grad_()
    inputs = (h.float() - a * _before(h, h0)).detach().requires_grad_()
    with torch.enable_grad():
        out, last = in_torch.eager_loop(decay, inputs, initial)
    gradient = torch.zeros_like(last) if gh_last is None else gh_last
    da, db, dh0 = torch.autograd.grad((out, last), (decay, inputs, initial), (gh.float(), gradient))
    return da, db, dh0


def eager_loop(a: Any, h: Any, h0: Any, gh: Any, gh_last: Any) -> tuple[Any, Any, Any]:
    """The equations as a loop from the end of time: two operations per step, da for all steps at once."""
    import torch

    carried = torch.zeros_like(a[:, 0]) if gh_last is None else gh_last
    steps = []
    for t in range(a.shape[1] - 1, -1, -1):
        gradient = gh[:, t] + carried
        steps.append(gradient)
        carried = a[:, t] * gradient
    db = torch.stack(steps[::-1], dim=1)
    return db * _before(h, h0), db, carried


def associative_scan(a: Any, h: Any, h0: Any, gh: Any, gh_last: Any) -> tuple[Any, Any, Any]:
    """mu by the forward rung's operator, over flipped copies of a and a gh."""
    import torch

    last = torch.zeros_like(a[:, 0]) if gh_last is None else gh_last
    mu, dh0 = in_torch.associative_scan(a.flip(1), (a * gh).flip(1), last)
    db = gh + torch.cat((mu.flip(1)[:, 1:], last[:, None]), dim=1)
    return db * _before(h, h0), db, dh0


def _elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["H"]


def _kept(shape: Shape) -> int:
    """a and h."""
    return _elements(shape) * (4 + shape.element_bytes)


def _before_bytes(shape: Shape) -> int:
    """h read and written in float32, in bf16 once more between."""
    n, E = _elements(shape), shape.element_bytes
    return n * (2 * 4 if E == 4 else (E + 4) + 2 * 4)


def autograd_cost(shape: Shape, settings: Settings) -> Cost:
    """h_{t-1}, a h_{t-1} and the difference; forward again; backward a step: the gradient of h_t is the sum of two, and
    two products are made of it. All slices of a and of b are collected into gradients of their own: autograd clears and
    adds, or copies, each once."""
    n, T = _elements(shape), shape["T"]
    widen = 0 if shape.dtype == "float32" else 2 * n * (shape.element_bytes + 4)
    inputs = Cost(_before_bytes(shape) + 6 * 4 * n + widen, flops=2 * n, launches=4)
    forward = in_torch.eager_cost(Shape.of("float32", **shape.as_dict()), settings)
    backward = Cost((3 + 3 + 3 + 2 * 2) * 4 * n, flops=3 * n, launches=3 * T + 4, serial_steps=2 * T)
    return inputs + forward + backward + Cost(0, kept_bytes=_kept(shape))


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    """A sum (gh, mu → lambda), a product (a, lambda → mu), the stack, h_{t-1} and a product of all steps."""
    n, T = _elements(shape), shape["T"]
    loop = (8 + shape.element_bytes + 12 + 8) * n
    moved = loop + _before_bytes(shape) + 12 * n
    return Cost(moved, flops=3 * n, launches=2 * T + 3, serial_steps=2 * T, kept_bytes=_kept(shape))


def associative_scan_cost(shape: Shape, settings: Settings) -> Cost:
    """a gh, both flipped, the forward rung's scan, mu flipped and moved on, the sum, h_{t-1}, da."""
    n, E = _elements(shape), shape.element_bytes
    scan = in_torch.associative_scan_cost(Shape.of("float32", **shape.as_dict()), settings)
    around = Cost(n * (8 + E + 4 * 8 + 8 + E + 12) + _before_bytes(shape), flops=3 * n, launches=8)
    return scan + around + Cost(0, kept_bytes=_kept(shape))


def _variant(name: str, idea: str, algorithm: str, function: Any, cost: Any, rung: int) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(function, NAMES, RESULTS),))

    return Variant(
        name=name,
        operation="scan",
        pass_="backward",
        devices=("cpu", "cuda"),
        idea=idea,
        plan=plan,
        cost=cost,
        factors={"algorithm": algorithm, "source": "torch"},
        rung=rung,
    )


RUNGS = (
    _variant("autograd", "torch's autograd: the loop forwards again, and back", "serial", autograd, autograd_cost, 0),
    _variant("eager", "torch, two operations per step from the end of time", "serial", eager_loop, eager_cost, 1),
    _variant(
        "associative_scan",
        "torch's associative_scan over flipped time: a tree, unfused",
        "tree",
        associative_scan,
        associative_scan_cost,
        10,
    ),
)
