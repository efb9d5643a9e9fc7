"""Times that no variant can have had: under what its bytes take at the very least, or against the coordinator's clock.

Every bound here is one that no honest variant passes, however its data lies in caches and however busy the machine is;
each therefore lets a good deal through. docs/trust.md has what that leaves to whom.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.check.case import InputSet
from workbench.check.case_memory import given_inputs
from workbench.declare import Device, Operation, Shape
from workbench.measure.ceilings import best
from workbench.measure.clock_cpu import SETTLED_S

MARGIN = 0.8
CORE_BYTES_PER_S = 192 * 6e9
"""What a CPU core moves at most: two loads and a store of 64 bytes each in a clock, from the first cache, at 6 GHz. The
ceilings of a run are of main memory, and small inputs stay in caches: honest variants pass those by far."""
CACHE_OVER_MEMORY = 8
"""How many times faster than its main memory a GPU's L2 is at most (published: 2 on an H100, 5 to 7 on cards with GDDR6
and a large L2). Inputs come from main memory, as L2 is flushed before each sample; outputs may stay in L2."""
OVERHEAD_S: Mapping[Device, float] = {"cpu": 5e-6, "cuda": 5e-3}
"""What the clock does around one evaluation at most: reads the time; or flushes L2, holds the stream, waits."""
MESSAGES_S = 2e-3
"""What asking for a block and its answer take."""
MOST_OVER = 4.0
"""How many times what it should the coordinator's own time of a block may be. A quarter of the blocks must keep to it:
on a busy machine a message waits for its turn now and then."""
LONG_ENOUGH_S = 10 * (SETTLED_S + MESSAGES_S)
"""Wait for a block from which on what surrounds its samples does not hide a claim that is MOST_OVER times too short: a
preset of little patience has shorter blocks, in which anything would pass."""
UNSEEN_OVER = 10.0
UNSEEN_SLACK_S = 50e-6
"""Inputs never seen before may take this many times, and this much, longer than those that were timed: they come from
another cache, and a first evaluation finds the code elsewhere."""


@dataclass(frozen=True)
class Timed:
    """A block of samples, and how long the coordinator waited for it."""

    asked_s: float
    waited_s: float
    samples_s: tuple[float, ...]
    repeats: int
    flushing_s: float = 0.0
    """Of the wait, by the worker's word, which counts as far as it can be: see `most_flushing_s`."""

    @property
    def spent_s(self) -> float:
        """Of the wait, what did not go into flushing: only this can have been evaluations."""
        return max(0.0, self.waited_s - self.flushing_s)

    @property
    def claimed_s(self) -> float:
        return sum(self.samples_s) * self.repeats

    def expected_s(self, device: Device) -> float:
        """How long the coordinator should wait for what is claimed, settling included, flushing not."""
        evaluations = len(self.samples_s) * self.repeats
        settling = SETTLED_S + max(self.samples_s)
        return self.claimed_s + evaluations * OVERHEAD_S[device] + settling + MESSAGES_S


FLUSHED_BYTES_PER_S = 1e9
"""Less than any processor writes back and flushes."""
FLUSH_S = 20e-6
"""What a flush costs whatever its size: threads that wake up."""


def most_flushing_s(working_set_bytes: int, evaluations: int) -> float:
    """The longest that flushing a set before each evaluation can be said to have taken."""
    return evaluations * (FLUSH_S + working_set_bytes / FLUSHED_BYTES_PER_S)


def least_seconds(operation: Operation, shape: Shape, device: Device, ceilings: Mapping[str, float]) -> float | None:
    """The time under which no evaluation can be: its bytes, each read or written once, at the rate of the nearest
    cache. None where the machine's rate is not known (a GPU whose ceilings could not be measured)."""
    tensors = operation.tensors(shape)
    inputs = given_inputs(tensors, InputSet(operation.regimes[0], 0))
    declared = sum(t.nbytes for t in (*inputs, *(t for t in tensors if t.compared)))
    moved = min(declared, operation.least(shape).bytes)
    if device == "cpu":
        rate = CORE_BYTES_PER_S * (os.cpu_count() or 1)
    else:
        rate = CACHE_OVER_MEMORY * (best(ceilings, "bandwidth") or 0.0)
    return MARGIN * moved / rate if rate else None


def against_the_wall(blocks: Sequence[Timed], device: Device) -> str | None:
    """Why the coordinator's clock contradicts what a worker claims; None where it does not."""
    if not blocks:
        return None
    early = [b for b in blocks if b.waited_s < b.asked_s]
    if early:
        return f"a block that was to last {early[0].asked_s:.3g} s was there after {early[0].waited_s:.3g} s"
    claimed = statistics.median(b.claimed_s / max(b.spent_s, 1e-9) for b in blocks)
    if claimed > 1.05:
        return f"blocks claim {claimed:.3g} times the time that they took by the coordinator's clock"
    over = sorted(b.spent_s / b.expected_s(device) for b in blocks)[(len(blocks) - 1) // 4]
    if over > MOST_OVER:
        return f"blocks took {over:.3g} times what their samples claim by the coordinator's clock"
    return None


def against_unseen(median_s: float, unseen_s: Sequence[float], again_s: Sequence[float]) -> str | None:
    """Why times of inputs seen for the first time, and of the same ones again, contradict the median of the samples."""
    if not unseen_s:
        return None
    usual = max(median_s, *again_s)
    if min(unseen_s) > UNSEEN_OVER * usual + UNSEEN_SLACK_S:
        return (
            f"inputs never seen before take {min(unseen_s):.3g} s, those seen before {usual:.3g} s: "
            "results that are remembered have no time"
        )
    return None
