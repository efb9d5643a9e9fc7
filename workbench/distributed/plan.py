"""What a step would take on more ranks than there are, by scheme: modelled from what one training recorded.

A simulated cluster of equal ranks, on a network where nobody is in anybody's way: α and β of the links, computing of
all ranks per step and the host's part of it come from the training's records, bytes from its model. Strong: the batch
stays as large as it was, and each of P ranks computes a P-th. Weak: each has as much as the whole batch was, of more
sequences or of longer ones. And then:

    data              sums its gradients; they hide behind backward, two thirds of the computing
    sharded           gathers all weights twice and scatters gradients' sums; they hide behind the computing
    tensor            sums each output of a layer that is split by rows, forward and backward; nothing hides it
    ... per step      the same where gates see the state: a sum of states in each time step, forward and backward
    sequence          passes every scan's state, forward and backward, and sums its gradients as `data` does
    data × sequence   as many ranks for data as there are sequences, the others for blocks of time
    pipeline          waits (P - 1) / (K + P - 1) of a step, and sends K parts between neighbours

How unevenly ranks compute is drawn from the recorded steps: all wait for the slowest of P, whose expected time is that
of the largest of P draws. Not modelled: a scan's second pass over its block, congestion, and whether memory suffices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import pandas as pd

from workbench.distributed import facts, links
from workbench.distributed.cost import Carry, bubble
from workbench.distributed.facts import Passed
from workbench.distributed.links import Links
from workbench.distributed.summary import last_lines
from workbench.distributed.trace import rank_times
from workbench.foreign import printable
from workbench.problem import Problem

Kind = Literal["strong", "weak"]
KINDS: tuple[Kind, ...] = ("strong", "weak")
RANKS = (8, 16, 32, 64, 128, 256, 512, 1024)
PARTS = 8
"""Of a pipeline, where the recorded training was none."""
BACKWARD = 2 / 3
"""Of the computing of a step: a product's backward pass is two products of the same size."""


@dataclass(frozen=True)
class Recorded:
    """What a plan stands on."""

    compute_s: float
    """Of all ranks together, per step."""
    host_s: float
    """Of one rank, per step, while it computes nothing and waits for nobody."""
    unevenness: tuple[float, ...]
    """Seconds of each recorded step over their median, sorted."""
    links: Links
    passed: Passed
    parts: int

    def slowest(self, ranks: int) -> float:
        """Expected time of the slowest of so many ranks over the median."""
        n = len(self.unevenness)
        chance = np.diff((np.arange(n + 1) / n) ** ranks)
        return max(1.0, float(chance @ np.array(self.unevenness)))


def recorded(folder: Path) -> Recorded:
    """Raises Problem for a folder that holds no traced training of several ranks."""
    known, measured, times = facts.read(folder), links.read(folder), rank_times(folder)
    if known is not None and known.unseen:
        raise Problem(f"{printable(folder)}: what its model would pass is not known ({printable(known.unseen)})")
    if known is None or known.passed is None or measured is None or not times:
        raise Problem(
            f"{printable(folder)}: no traced training of several ranks, whose links and computing a plan stands on; "
            "make one by workbench train … --sequence 2 --trace 3",
            exit_status=2,
        )
    steps = max(1, int(known.training["traced_steps"]))
    # The first steps make connections, and those that are traced take longer.
    calm = {step: lines for step, lines in last_lines(folder).items() if step > steps + 1}
    seconds = [max(line["seconds"] for line in lines) for lines in calm.values()]
    middle = median(seconds) if seconds else 1.0
    parts = known.pipeline[1] if known.pipeline else PARTS
    return Recorded(
        compute_s=sum(time.compute_s for time in times) / steps,
        host_s=median(time.host_s for time in times) / steps,
        unevenness=tuple(sorted(value / middle for value in seconds)) if middle > 0 and seconds else (1.0,),
        links=measured, passed=known.passed, parts=parts,
    )  # fmt: skip


def plan(found: Recorded, ranks: Sequence[int] = RANKS, kind: Kind = "strong") -> pd.DataFrame:
    """A row per scheme and number of ranks: scheme, ranks, planned_s, planned_compute_s, planned_passing_s (exposed
    communication), planned_bubble_s (of a pipeline), planned_waiting_s (for the slowest), planned_efficiency (strong:
    one rank's time over ranks times this; weak: over this) and misfit, what there is less of than ranks, where it is
    alone."""
    rows = [_row(found, scheme, count, kind) for scheme in SCHEMES for count in ranks]
    columns = [
        "scheme", "ranks", "planned_s", "planned_compute_s", "planned_passing_s", "planned_bubble_s",
        "planned_waiting_s", "planned_efficiency", "misfit",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


PIPELINE = "pipeline of layers × time"
SCHEMES = (
    "data", "data, sharded", "tensor", "tensor, gates see the state", "sequence, gather", "sequence, chain",
    "data × sequence", PIPELINE,
)  # fmt: skip


def misfits(planned: pd.DataFrame) -> str:
    """In a sentence: which schemes end before the most ranks that were planned, and for want of what."""
    words = []
    for (scheme, misfit), rows in planned[planned["misfit"].notna()].groupby(["scheme", "misfit"], sort=False):
        words.append(f"{scheme} on {rows['ranks'].min():,} ranks and more ({misfit})")
    return f"Does not fit: {'; '.join(words)}." if words else ""


def _row(found: Recorded, scheme: str, ranks: int, kind: Kind) -> tuple[object, ...]:
    reason = _misfit(found, scheme, ranks) if kind == "strong" else _no_growth(found, scheme)
    if reason:
        return (scheme, ranks, None, None, None, None, None, None, reason)
    compute = found.compute_s / (ranks if kind == "strong" else 1)
    passing = _passing_s(found, scheme, ranks, compute)
    share = bubble(ranks, found.parts) if scheme == PIPELINE else 0.0
    waits = compute * share / (1 - share)
    uneven = (compute + found.host_s) * (found.slowest(ranks) - 1)
    total = compute + found.host_s + passing + waits + uneven
    alone = found.compute_s + found.host_s
    efficiency = alone / (total * (ranks if kind == "strong" else 1))
    shown = waits if scheme == PIPELINE else None
    return (scheme, ranks, total, compute, passing, shown, uneven, efficiency, None)


def _no_growth(found: Recorded, scheme: str) -> str | None:
    """Why a scheme's ranks cannot have a batch each."""
    if scheme in ("data", "data, sharded"):
        return None
    if scheme in ("sequence, gather", "sequence, chain"):
        return None if found.passed.scans else "no scan over time"
    return "as data, or as sequence" if scheme == "data × sequence" else "its model would have to grow"


def _misfit(found: Recorded, scheme: str, ranks: int) -> str | None:
    passed = found.passed
    layers = max(passed.scans, passed.rows)
    if scheme in ("data", "data, sharded") and ranks > passed.batch:
        return f"{passed.batch} sequences"
    if scheme.startswith("tensor"):
        return f"{passed.channels} channels in layers split by rows" if ranks > passed.channels else None
    if scheme.startswith(("sequence", "data ×")) and not passed.scans:
        return "no scan over time"
    if scheme.startswith("sequence") and ranks > passed.steps:
        return f"{passed.steps} time steps"
    if scheme == "data × sequence" and ranks > passed.steps * _sequences(found, ranks):
        return f"{passed.batch} sequences of {passed.steps} time steps"
    if scheme == PIPELINE and ranks > layers:
        return f"{layers} layers"
    return None


def _sequences(found: Recorded, ranks: int) -> int:
    """The most ranks for data of `data × sequence`: they divide the batch and the ranks."""
    return max(n for n in range(1, min(found.passed.batch, ranks) + 1) if found.passed.batch % n == ranks % n == 0)


def _passing_s(found: Recorded, scheme: str, ranks: int, compute: float) -> float:
    passed, cost = found.passed, found.links.modelled_s
    gradients = max(0.0, cost("all_reduce", ranks, passed.weights) - BACKWARD * compute)
    if scheme == "data":
        return gradients
    if scheme == "data, sharded":
        part = passed.weights / ranks
        moved = 2 * cost("all_gather", ranks, part) + cost("reduce_scatter", ranks, part)
        return max(0.0, moved - compute)
    if scheme == "tensor":
        return 2 * passed.rows * cost("all_reduce", ranks, passed.row_output)
    if scheme == "tensor, gates see the state":
        layers = 2 * passed.rows * cost("all_reduce", ranks, passed.row_output)
        return layers + 2 * passed.scans * passed.steps * cost("all_reduce", ranks, passed.state)
    if scheme == PIPELINE:
        hops = found.parts + ranks - 2  # of the longest way: all parts through one stage, one part through all
        return 2 * hops * cost("send", 2, passed.between / found.parts)
    data = _sequences(found, ranks) if scheme == "data × sequence" else 1
    carry: Carry = "chain" if scheme == "sequence, chain" else "gather"
    blocks, state = ranks // data, passed.state / data
    once = 2 * cost(carry, blocks, state) + cost("all_reduce", blocks, state)
    return passed.scans * once + gradients
