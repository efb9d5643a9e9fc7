"""Times the links between ranks: collectives of several sizes in turns, as benchmarks of MPI do it, a few calls between
two barriers, where the slowest rank counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist

from workbench.distributed.cost import CARRIES, COLLECTIVES, Carry
from workbench.distributed.links import Links
from workbench.distributed.sequence import exchange

SIZES = (1 << 10, 1 << 14, 1 << 17, 1 << 20)
"""Bytes that a rank hands over. From what α decides to what β does."""
ROUNDS = 7
CALLS = 3
"""Of one sample: what ranks leave a barrier apart is divided among them."""


def measure(device: torch.device, sizes: Sequence[int] = SIZES, rounds: int = ROUNDS) -> Links:
    """Times the links between all ranks: a collective of all of them, which takes about a second. Sends are between
    the first rank and the last, which are the furthest apart where there are several machines."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    cases = [(name, size) for name in (*COLLECTIVES, *CARRIES) for size in sizes]
    calls = [_call(name, size, rank, ranks, device) for name, size in cases]
    taken = torch.zeros(rounds + 1, len(cases), dtype=torch.float64, device=device)
    for turn in range(rounds + 1):  # the first makes connections
        for place, call in enumerate(calls):
            dist.barrier()
            begin = time.perf_counter()
            for _ in range(CALLS):
                call()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken[turn, place] = (time.perf_counter() - begin) / CALLS
    dist.all_reduce(taken, dist.ReduceOp.MAX)
    samples: dict[str, dict[int, list[float]]] = {}
    for (name, size), seconds in zip(cases, taken[1:].T.tolist(), strict=True):
        # There and back is two sends.
        samples.setdefault(name, {})[size] = [s / 2 for s in seconds] if name == "send" else seconds
    return Links(ranks, dist.get_backend(), samples)


def _call(name: str, size: int, rank: int, ranks: int, device: torch.device) -> Callable[[], object]:
    own = torch.ones(size // 4, device=device)
    if name == "all_gather":
        everyone = own.new_empty(ranks * own.numel())
        return lambda: dist.all_gather_into_tensor(everyone, own)
    if name == "all_reduce":
        return lambda: dist.all_reduce(own, dist.ReduceOp.MAX)
    if name == "send":
        return lambda: _there_and_back(own, rank, ranks - 1)
    carry: Carry = "chain" if name == "chain" else "gather"
    return lambda: exchange(own, own, own, rank, ranks, None, carry, mirrored=False)


def _there_and_back(own: torch.Tensor, rank: int, other: int) -> None:
    if rank == 0:
        dist.send(own, other)
        dist.recv(own, other)
    elif rank == other:
        dist.recv(own, 0)
        dist.send(own, 0)
