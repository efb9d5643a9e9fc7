"""What torch does of a block of time of a serial cell: the products that wait for no step. A block is its first step
and that after its last. p, dp, dq and what is kept are of the block alone, sequence after sequence, at the beginning of
memory that the longest block fills; x, h and the gradients of sums are of all of time."""

from __future__ import annotations

from typing import Any

from kernel_variants.gate import products
from kernel_variants.gate.products import widened
from kernel_variants.serial_cells import in_torch

Times = tuple[int, int]


def _held(held: Any, times: Times) -> Any:
    """(B, steps of the block, a row)."""
    steps = times[1] - times[0]
    return held.view(-1)[: held.shape[0] * steps * held[0, 0].numel()].view(held.shape[0], steps, -1)


def _of(tensor: Any, times: Times) -> Any:
    return tensor[:, slice(*times)]


def input_product(x: Any, w: Any, bias: Any, p: Any, times: Times) -> None:
    """p of the block."""
    in_torch.input_product(_of(x, times), w, bias, _held(p, times))


def state_product(h: Any, h0: Any, u: Any, q: Any, times: Times) -> None:
    """q = u h_{t-1} of every step of the block, float32."""
    begin, end = times
    held = _held(q, times)
    if begin > 0:
        products.multiply(h[:, begin - 1 : end - 1], u, held)
        return
    held[:, 0] = h0 @ u.to(held.dtype).T
    if end > 1:
        held[:, 1:] = widened(h[:, : end - 1]).to(held.dtype) @ u.to(held.dtype).T


def gradients(
    dp: Any, dq: Any, x: Any, h: Any, h0: Any, w: Any, dx: Any, dw: Any, du: Any, dbias: Any, times: Times, more: bool
) -> None:  # fmt: skip
    """dx of the block, and its share of the gradients of w, u and bias: with `more` on top of other blocks'."""
    of_p, of_q = _held(dp, times), _held(dq, times)
    _dx(of_p, w, _of(dx, times))
    begin, end = times
    before = h[:, max(begin - 1, 0) : end - 1]
    _add(of_p, _of(x, times), dw, more)
    _add(of_q if begin > 0 else of_q[:, 1:], before, du, more)
    if begin == 0:
        du.addmm_(of_q[:, 0].float().T, h0)
    for row, of in enumerate((of_p, of_q)):
        sums = of.float().sum((0, 1))
        dbias[row].add_(sums) if more else dbias[row].copy_(sums)


def _dx(gradient: Any, w: Any, out: Any) -> None:
    import torch

    made = out if out.is_contiguous() else torch.empty(out.shape, dtype=out.dtype, device=out.device)
    products.input_gradient(gradient, w, made)
    if made is not out:
        out.copy_(made)


def _add(gradient: Any, seen: Any, out: Any, more: bool) -> None:
    """out (float32) = gradient^T seen, or that on top of it."""
    products.add_product(widened(gradient.flatten(0, 1)).T, widened(seen.flatten(0, 1)), out, more)


def into_first_state(dq: Any, direct: Any, u: Any, dh0: Any, times: Times) -> None:
    """`times` are those of the first block."""
    in_torch.into_first_state(_held(dq, times), direct, u, dh0)


def hand_back(dq: Any, after: Any, times: Times) -> None:
    """dq of the block's first step, for the block before it."""
    after.copy_(_held(dq, times)[:, 0].view(after.shape))
