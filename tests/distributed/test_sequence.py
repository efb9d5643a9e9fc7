"""Time split over ranks: values and gradients equal the whole sequence on one process, carries across all ranks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.distributed.ranks import on_ranks
from workbench.distributed.affine import doubling
from workbench.distributed.sequence import sequence_scan

B, H = 3, 5
TOLERANCE = {torch.float64: 1e-13, torch.float32: 2e-6}


def whole(a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """The recurrence as it is written, step by step."""
    states = []
    h = h0
    for t in range(a.shape[1]):
        h = a[:, t] * h + b[:, t]
        states.append(h)
    return torch.stack(states, 1)


def case(steps: int, shift: float, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """a, b, h0, and the weights by which h and the last state enter the loss. A large shift means slow decay."""
    make = torch.Generator().manual_seed(steps)
    logits = torch.randn(B, steps, H, generator=make, dtype=torch.float64)
    a = torch.sigmoid(logits + shift)
    others = [torch.randn(*shape, generator=make, dtype=torch.float64) for shape in ((B, steps, H), (B, H))]
    weights = [torch.randn(*shape, generator=make, dtype=torch.float64) for shape in ((B, steps, H), (B, H))]
    b, h0, weight, weight_last = (tensor.to(dtype) for tensor in (*others, *weights))
    return a.to(dtype), b, h0, weight, weight_last


CASES = [
    (steps, shift, dtype, carry)
    for carry in ("gather", "chain")
    for steps, shift, dtype in ((24, 4.0, torch.float64), (25, 0.0, torch.float64), (240, 6.0, torch.float32))
]
"""Starting ranks costs seconds: they do all cases."""


def blocks(rank: int, size: int) -> list[dict[str, Tensor]]:
    found = []
    for steps, shift, dtype, carry in CASES:
        a, b, h0, weights, weight_last = case(steps, shift, dtype)
        own = slice(rank * steps // size, (rank + 1) * steps // size)
        a, b = (x[:, own].clone().requires_grad_() for x in (a, b))
        h0.requires_grad_()
        h, last = sequence_scan(a, b, h0, carry=carry)  # type: ignore[arg-type]
        # Every rank holds the last state: its share of the loss is a P-th on each.
        ((h * weights[:, own]).sum() + (last * weight_last).sum() / size).backward()
        assert a.grad is not None and b.grad is not None and h0.grad is not None
        found.append({"h": h.detach(), "last": last.detach(), "a": a.grad, "b": b.grad, "h0": h0.grad})
    return found


def expected(steps: int, shift: float, dtype: torch.dtype) -> dict[str, Tensor]:
    a, b, h0, weights, weight_last = (x.double() for x in case(steps, shift, dtype))
    for x in (a, b, h0):
        x.requires_grad_()
    h = whole(a, b, h0)
    ((h * weights).sum() + (h[:, -1] * weight_last).sum()).backward()
    assert a.grad is not None and b.grad is not None and h0.grad is not None
    return {"h": h.detach(), "last": h[:, -1].detach(), "a": a.grad, "b": b.grad, "h0": h0.grad}


def difference(found: Tensor, right: Tensor) -> float:
    return float((found.double() - right).norm() / right.norm())


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.thorough)])
def test_blocks_of_time_are_the_whole(size: int, tmp_path: Path) -> None:
    """Decays near 1 carry the state, and its gradient, across every rank; one size does not divide the steps."""
    everyone = on_ranks(size, blocks, folder=tmp_path)
    for number, (steps, shift, dtype, carry) in enumerate(CASES):
        ranks = [rank[number] for rank in everyone]
        right = expected(steps, shift, dtype)
        for name in ("h", "a", "b"):
            off = difference(torch.cat([r[name] for r in ranks], 1), right[name])
            assert off < TOLERANCE[dtype], (name, steps, carry)
        assert max(difference(r["last"], right["last"]) for r in ranks) < TOLERANCE[dtype], (steps, carry)
        assert difference(sum(r["h0"] for r in ranks), right["h0"]) < TOLERANCE[dtype], (steps, carry)
        assert shift == 0 or right["h0"].norm() > 1e-3, "the gradient of h0 comes from the last rank too"


def test_doubling_is_the_recurrence() -> None:
    for steps in (1, 2, 3, 8, 33):
        a, b, h0, *_ = case(steps, 1.0, torch.float64)
        assert difference(doubling(a, b, h0), whole(a, b, h0)) < 1e-14
