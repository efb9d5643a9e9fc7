"""Sequence parallel: every rank holds a block of time, and the state at its start is all that must cross ranks.

A block maps the state h before it to A h + H: A is the product of its decays, H its state from zero. Ranks either
gather all (A, H) and merge them for themselves (`gather`: one collective, log2 P hops in its time) or pass the finished
state on (`chain`: P - 1 hops, half the bytes). Both in at least float32. Backward is the same over flipped time, with μ
for h (affine.py): no rank needs a decay of its neighbour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from workbench.distributed.affine import Scan, doubling, gradients, product, reverse
from workbench.distributed.cost import Carry

LocalScan = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(a, b, h0) → (h, last state): what a module calls as its `scan`."""


def sequence_scan(
    a: Tensor,
    b: Tensor,
    h0: Tensor,
    group: dist.ProcessGroup | None = None,
    carry: Carry = "gather",
    scan: Scan = doubling,
) -> tuple[Tensor, Tensor]:
    """This rank's block of h, and the state after the last rank's block (the same on every rank).

    a, b: this rank's (B, T / P, …), ranks of the group in the order of time. h0: (B, …), the same on every rank; its
    gradient comes out whole on the first rank and zero on the others, so that a sum over ranks is right and a mean is
    not. Gradients reach a, b and h0 through both results; the last state must be used for the loss by every rank or by
    none. Raises whatever the collective raises when a rank is lost.
    """
    h, last = _SequenceScan.apply(a, b, h0, group, carry, scan)
    return h, last


class _SequenceScan(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(
        context: Any, a: Tensor, b: Tensor, h0: Tensor, group: dist.ProcessGroup | None, carry: Carry, scan: Scan
    ) -> tuple[Tensor, Tensor]:
        rank, size = dist.get_rank(group), dist.get_world_size(group)
        before, last = _carry(a, b, h0, rank, size, group, carry, scan)
        h = scan(a, b, before)
        context.save_for_backward(a, h, before)
        context.ranks = rank, size, group, carry, scan
        return h, last

    @staticmethod
    def backward(context: Any, gh: Tensor, glast: Tensor) -> tuple[Tensor | None, ...]:
        a, h, before = context.saved_tensors
        rank, size, group, carry, scan = context.ranks
        # The last state is one tensor that every rank holds: its gradients are parts of one sum.
        total = glast.clone()
        dist.all_reduce(total, group=group)
        flipped = size - 1 - rank
        after, first = _carry(a.flip(1), (a * gh).flip(1), total, flipped, size, group, carry, scan, mirrored=True)
        mu = reverse(a, gh, after, scan)
        ga, gb = gradients(mu, gh, after, h, before)
        gh0 = first if rank == 0 else torch.zeros_like(first)
        return ga, gb, gh0, None, None, None


def _carry(
    a: Tensor, b: Tensor, start: Tensor, place: int, size: int, group: dist.ProcessGroup | None, carry: Carry,
    scan: Scan, mirrored: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The state before this rank's block and after all blocks. `place` counts in the direction of the scan, which runs
    against the ranks where it is mirrored."""
    wide = torch.promote_types(a.dtype, torch.float32)
    decay = product(a.to(wide))
    state = scan(a, b, torch.zeros_like(start))[:, -1].to(wide)
    return exchange(decay, state, start, place, size, group, carry, mirrored)


def exchange(
    decay: Tensor, state: Tensor, start: Tensor, place: int, size: int, group: dist.ProcessGroup | None, carry: Carry,
    mirrored: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The state before each rank's block and after all of them, from what each block makes of a state: a collective.
    A profiler finds it under its scheme and the bytes of a state."""
    with torch.profiler.record_function(f"carry:{carry} {decay.numel() * decay.element_size()}"):
        pass_on = _gathered if carry == "gather" else _chained
        return pass_on(decay, state, start, place, size, group, mirrored)


def _gathered(
    decay: Tensor, state: Tensor, start: Tensor, place: int, size: int, group: dist.ProcessGroup | None, mirrored: bool
) -> tuple[Tensor, Tensor]:
    own = torch.stack((decay, state)).contiguous()
    # gloo gathers into one concatenated tensor alone, not into a stacked one.
    everyone = own.new_empty((size * 2, *decay.shape))
    dist.all_gather_into_tensor(everyone, own, group=group)
    blocks = everyone.view(size, 2, *decay.shape)
    at = start.to(decay.dtype)
    before = at
    for step in range(size):
        if step == place:
            before = at
        block = blocks[size - 1 - step if mirrored else step]
        at = block[0] * at + block[1]
    return before.to(start.dtype), at.to(start.dtype)


def _chained(
    decay: Tensor, state: Tensor, start: Tensor, place: int, size: int, group: dist.ProcessGroup | None, mirrored: bool
) -> tuple[Tensor, Tensor]:
    def global_rank(step: int) -> int:
        rank = size - 1 - step if mirrored else step
        return rank if group is None else dist.get_global_rank(group, rank)

    before = start.to(decay.dtype).contiguous()
    if place > 0:
        before = torch.empty_like(before)
        dist.recv(before, global_rank(place - 1), group=group)
    after = (decay * before + state).contiguous()
    if place < size - 1:
        dist.send(after, global_rank(place + 1), group=group)
    last = after.clone()
    dist.broadcast(last, global_rank(size - 1), group=group)
    return before.to(start.dtype), last.to(start.dtype)
