"""What passing bytes between ranks costs by a model, and what a pipeline waits: no times, but what multiplies them.

A time is modelled as hops · α + bytes · β, with hops and bytes of the algorithms that are best on a fully connected
network (Thakur, Rabenseifner, Gropp 2005, Optimization of Collective Communication Operations in MPICH): on P ranks
with n bytes each,

    send         1 hop         n bytes
    all_gather   log2 P        (P - 1) n
    all_reduce   2 log2 P      2 (P - 1) n / P
"""

from __future__ import annotations

import math
from typing import Literal

Carry = Literal["gather", "chain"]
CARRIES: tuple[Carry, ...] = ("gather", "chain")
Pipelined = Literal["batch", "time"]
"""What follows one another through a pipeline: parts of a batch, or blocks of time."""
COLLECTIVES = ("send", "all_gather", "all_reduce")
"""What is measured: the others are modelled by these."""


def cost(operation: str, ranks: int, size: float) -> tuple[float, float]:
    """Hops and bytes of a collective, or of a carry of `size` bytes of state, on so many ranks. A carry by gather is an
    all_gather of two states per rank; one by a chain is P - 1 sends and a broadcast of the last state."""
    hops = math.log2(ranks)
    if operation == "send":
        return 1.0, size
    if operation in ("all_gather", "reduce_scatter"):
        return hops, (ranks - 1) * size
    if operation == "all_reduce":
        return 2 * hops, 2 * (ranks - 1) / ranks * size
    if operation == "gather":
        return cost("all_gather", ranks, 2 * size)
    if operation == "chain":
        return ranks - 1 + hops, (ranks - 1 + hops) * size
    raise ValueError(operation)


STANDS_ON = {"gather": "all_gather", "chain": "send", "reduce_scatter": "all_gather"}
"""By whose α and β that is modelled which has none of its own."""


def bubble(stages: int, parts: int) -> float:
    """The share of a step that a stage waits, where all parts take the same time: (P - 1) / (K + P - 1)."""
    return (stages - 1) / (parts + stages - 1)
