"""A case: one operation at one shape, with inputs drawn at random and the float64 references that follow from them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psutil

from workbench.declare import Operation, Shape
from workbench.execute.rounding import round_inputs

SETS = 3
LARGE_BYTES = 2 << 30


@dataclass(frozen=True)
class InputSet:
    """One set of inputs: a regime, a seed, and whether optional inputs are given."""

    regime: str
    seed: int
    optional_given: bool = True
    run_seed: int = 0
    """The whole run's (`--seed`): another one gives every set other values."""

    @property
    def label(self) -> str:
        return f"{self.regime}-{self.seed}" + ("" if self.optional_given else "-bare")


def timed_sets(operation: Operation, shape: Shape, run_seed: int = 0) -> tuple[InputSet, ...]:
    """Sets of the operation's first regime with fresh values each: what timing rotates over. A single one where
    three would be very large: such data passes any cache many times over."""
    one = sum(t.nbytes for t in operation.tensors(shape))
    count = SETS if SETS * one <= LARGE_BYTES else 1
    return tuple(InputSet(operation.regimes[0], seed, run_seed=run_seed) for seed in range(count))


def checked_sets(operation: Operation, run_seed: int = 0) -> tuple[InputSet, ...]:
    """Every further regime; where inputs may be absent, every second regime without them, and the first once more."""
    others = tuple(InputSet(regime, 100 + i, i % 2 == 0, run_seed) for i, regime in enumerate(operation.regimes[1:]))
    if not any(t.optional for t in operation.tensors(Shape(tuple(operation.small.items())))):
        return tuple(replace(input_set, optional_given=True) for input_set in others)
    return (*others, InputSet(operation.regimes[0], 99, False, run_seed))


def swapped_sets(
    operation: Operation, timed: tuple[InputSet, ...], checked: tuple[InputSet, ...]
) -> tuple[InputSet, ...]:
    """At least two, the timed ones first: what is written into the timed sets' buffers in turn once they have been
    timed. Beside a single timed set that is a checked one, where it gives the same inputs, else one more."""
    if len(timed) > 1:
        return timed
    alike = [input_set for input_set in checked if input_set.optional_given == timed[0].optional_given]
    return (*timed, *(alike[:1] or [replace(timed[0], seed=len(timed))]))


def make_set(operation: Operation, shape: Shape, input_set: InputSet) -> tuple[dict[str, Any], dict[str, Any]]:
    """A set's inputs, rounded to their declared dtypes, and the float64 outputs that follow from them."""
    tensors = operation.tensors(shape)
    values = dict(operation.make_inputs(shape, input_set.regime, _random(input_set)))
    if not input_set.optional_given:
        for tensor in tensors:
            if tensor.optional:
                values.pop(tensor.name, None)
    inputs = round_inputs(tensors, values)
    exact = {name: a if a.dtype.kind in "iub" else a.astype(np.float64) for name, a in inputs.items()}
    reference = operation.reference(shape, exact)
    return inputs, {name: np.asarray(array, dtype=np.float64) for name, array in reference.items()}


def _random(input_set: InputSet) -> np.random.Generator:
    """The generator of a set's values. Of the run's seed 0 it is that of the set's seed alone."""
    seeds = (input_set.seed, input_set.run_seed % 2**64) if input_set.run_seed else input_set.seed
    return np.random.default_rng(seeds)


def sets_at_once(operation: Operation, shape: Shape, input_sets: int) -> int:
    """How many sets are made side by side: numpy works on them outside of Python's lock. No more than cores, and
    than half of the free memory holds: a set in the making takes about four times its tensors in float64."""
    making = 4 * 8 * sum(tensor.elements for tensor in operation.tensors(shape))
    room = psutil.virtual_memory().available // 2 // max(making, 1)
    return int(max(1, min(input_sets, len(os.sched_getaffinity(0)), room)))
