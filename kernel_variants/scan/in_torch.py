"""The scan in torch: what one writes first, what folklore advises, and torch's own operator."""

from __future__ import annotations

from functools import partial
from typing import Any

from workbench.declare import Call, Cost, Plan, Settings, Shape, Variant

NAMES, RESULTS = ("a", "b", "h0"), ("h", "h_last")


def _elements(shape: Shape) -> int:
    return shape["B"] * shape["T"] * shape["H"]


def _levels(T: int) -> int:
    return max(1, (T - 1).bit_length())


def eager_loop(a: Any, b: Any, h0: Any, dtype: str = "float32") -> tuple[Any, Any]:
    """The recurrence as one writes it first: two operations per step. a, b (B, T, H), h0 (B, H) or None → h, h_last.

    Steps are taken apart by unbind: to a[:, t] autograd gives a gradient of the size of a, and that T times.
    """
    import torch

    state = torch.zeros_like(b[:, 0]) if h0 is None else h0
    steps = []
    for decay, entering in zip(a.unbind(1), b.unbind(1), strict=True):
        state = decay * state + entering
        steps.append(state)
    return torch.stack(steps, dim=1).to(getattr(torch, dtype)), state


def log_space(a: Any, b: Any, h0: Any, dtype: str = "float32") -> tuple[Any, Any]:
    """Heinsen's scan (arXiv 2311.06281): with A_t = a_1 … a_t,  h_t = A_t (h_0 + sum over s ≤ t of b_s / A_s).

    Taken through logarithms so that A_t may be as small as it likes: log h = log A + logcumsumexp(log b - log A).
    It needs b > 0, which the log-safe candidate gives; h_0 may have any sign, so its share is added outside.
    log A grows with t while its digits do not: what is lost shows in the error against T.
    """
    import torch

    log_decay = torch.cumsum(torch.log(a), dim=1)
    h = torch.exp(log_decay + torch.logcumsumexp(torch.log(b) - log_decay, dim=1))
    if h0 is not None:
        h = h + torch.exp(log_decay) * h0[:, None]
    return h.to(getattr(torch, dtype)), h[:, -1].contiguous()


def associative_scan(a: Any, b: Any, h0: Any, dtype: str = "float32") -> tuple[Any, Any]:
    """torch's own higher-order operator in its generic mode, which runs anywhere without a compiler."""
    import torch
    from torch._higher_order_ops.associative_scan import associative_scan as scan

    def compose(earlier: tuple[Any, Any], later: tuple[Any, Any]) -> tuple[Any, Any]:
        return later[0] * earlier[0], later[0] * earlier[1] + later[1]

    decay, h = scan(compose, (a, b), dim=1, combine_mode="generic")
    if h0 is not None:
        h = h + decay * h0[:, None]
    return h.to(getattr(torch, dtype)), h[:, -1].contiguous()


def eager_cost(shape: Shape, settings: Settings) -> Cost:
    """A product (a, state → m), a sum (m, b → state) and the stack (state → h): 8 float32 an element; then the cast."""
    n = _elements(shape)
    cast = 0 if shape.dtype == "float32" else n * (4 + shape.element_bytes)
    return Cost(8 * 4 * n + cast, flops=2 * n, launches=2 * shape["T"] + 1 + (cast > 0), serial_steps=2 * shape["T"])


def log_space_cost(shape: Shape, settings: Settings) -> Cost:
    """log, cumsum, log, difference, logcumsumexp, sum, exp: 2 + 2 + 2 + 3 + 2 + 3 + 2 values; exp, product and sum
    for h0: 2 + 2 + 3 more; then the cast. 4 logarithms and exponentials an element, and 2 in logcumsumexp."""
    n = _elements(shape)
    cast = 0 if shape.dtype == "float32" else n * (4 + shape.element_bytes)
    return Cost(23 * 4 * n + cast, flops=6 * n, special=6 * n, launches=10 + (cast > 0), serial_steps=shape["T"])


def associative_scan_cost(shape: Shape, settings: Settings) -> Cost:
    """The generic mode recurs on halves. At a level of n pairs: two half-size compositions of two products and a sum
    (9/2 n values each), one to prepend the first element (2 n) and the interleaving of halves (4 n); the levels sum to
    twice the first. For h0 a product and a sum: 5 values more; then the cast."""
    n = _elements(shape)
    cast = 0 if shape.dtype == "float32" else n * (4 + shape.element_bytes)
    levels = _levels(shape["T"])
    launches = (
        10 * levels
    )  # a level: six operations, two prepended, two interleaved; the last prepends none, h0 costs two
    return Cost(35 * 4 * n + cast, flops=8 * n, launches=launches, serial_steps=2 * levels + 1)


def _variant(
    name: str, idea: str, algorithm: str, function: Any, cost: Any, rung: int, known_loss: str = ""
) -> Variant:
    def plan(shape: Shape, settings: Settings) -> Plan:
        return Plan((Call(partial(function, dtype=shape.dtype), NAMES, RESULTS),))

    return Variant(
        name=name,
        operation="scan",
        devices=("cpu", "cuda"),
        idea=idea,
        plan=plan,
        cost=cost,
        factors={"algorithm": algorithm, "source": "torch"},
        known_loss=known_loss,
        rung=rung,
    )


RUNGS = (
    _variant("eager", "torch, two operations per step", "serial", eager_loop, eager_cost, 0),
    _variant(
        "log_space",
        "sums of logarithms: stable folklore that loses digits with T",
        "log-space",
        log_space,
        log_space_cost,
        5,
        "differences of long sums of logarithms lose digits as T grows, and with forgetful gates",
    ),
    _variant(
        "associative_scan",
        "torch's associative_scan: a tree over time, unfused",
        "tree",
        associative_scan,
        associative_scan_cost,
        10,
    ),
)
