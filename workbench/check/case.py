"""A case: one operation at one shape, with inputs and float64 references, kept in files that workers map.

References are made once, by one process; every variant's worker maps them copy-on-write, so that no variant can
spoil another's and none pays for making them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from workbench.declare import Operation, Shape
from workbench.dtypes import numpy_dtype
from workbench.execute.rounding import round_inputs

SETS = 3
LARGE_BYTES = 2 << 30


@dataclass(frozen=True)
class Draw:
    """One set of inputs: a regime, a seed, and whether optional inputs are given."""

    regime: str
    seed: int
    optional_given: bool = True

    @property
    def label(self) -> str:
        return f"{self.regime}-{self.seed}" + ("" if self.optional_given else "-bare")


def timed_draws(operation: Operation, shape: Shape) -> tuple[Draw, ...]:
    """Sets of the operation's first regime with fresh values each: what timing rotates over. A single one where
    three would be very large: such data passes any cache many times over."""
    one = sum(t.nbytes for t in operation.tensors(shape))
    count = SETS if SETS * one <= LARGE_BYTES else 1
    return tuple(Draw(operation.regimes[0], seed) for seed in range(count))


def checked_draws(operation: Operation) -> tuple[Draw, ...]:
    """Every further regime; where inputs may be absent, every second regime without them, and the first once more."""
    others = tuple(Draw(regime, 100 + i, i % 2 == 0) for i, regime in enumerate(operation.regimes[1:]))
    if not any(t.optional for t in operation.tensors(Shape(tuple(operation.small.items())))):
        return tuple(Draw(draw.regime, draw.seed) for draw in others)
    return (*others, Draw(operation.regimes[0], 99, optional_given=False))


def make_draw(operation: Operation, shape: Shape, draw: Draw) -> tuple[dict[str, Any], dict[str, Any]]:
    """A draw's inputs, rounded to their declared dtypes, and the float64 outputs that follow from them."""
    tensors = operation.tensors(shape)
    values = dict(operation.make_inputs(shape, draw.regime, np.random.default_rng(draw.seed)))
    if not draw.optional_given:
        for tensor in tensors:
            if tensor.optional:
                values.pop(tensor.name, None)
    inputs = round_inputs(tensors, values)
    reference = operation.reference(shape, {name: array.astype(np.float64) for name, array in inputs.items()})
    return inputs, {name: np.asarray(array, dtype=np.float64) for name, array in reference.items()}


def write_case(folder: Path, operation: Operation, shape: Shape, draws: Sequence[Draw]) -> None:
    """Makes inputs and references of every draw and stores them as .npy files under `folder`."""
    with ThreadPoolExecutor(_at_once(operation, shape, len(draws))) as pool:
        list(pool.map(lambda draw: _write_draw(folder / draw.label, operation, shape, draw), draws))


def _write_draw(place: Path, operation: Operation, shape: Shape, draw: Draw) -> None:
    inputs, reference = make_draw(operation, shape, draw)
    place.mkdir(parents=True)
    for name, array in inputs.items():
        np.save(place / f"in.{name}.npy", array.view(np.uint8))
    for name, array in reference.items():
        np.save(place / f"want.{name}.npy", array)


def _at_once(operation: Operation, shape: Shape, draws: int) -> int:
    """How many draws are made side by side: numpy works on them outside of Python's lock. No more than cores, and
    than half of the free memory holds: a draw in the making takes about four times its tensors in float64."""
    making = 4 * 8 * sum(tensor.elements for tensor in operation.tensors(shape))
    room = psutil.virtual_memory().available // 2 // max(making, 1)
    return int(max(1, min(draws, len(os.sched_getaffinity(0)), room)))


def read_inputs(folder: Path, operation: Operation, shape: Shape, draw: Draw) -> dict[str, Any]:
    """The draw's inputs, mapped; an absent optional one is missing."""
    inputs = {}
    for tensor in operation.tensors(shape):
        file = folder / draw.label / f"in.{tensor.name}.npy"
        if file.is_file():
            mapped = np.load(file, mmap_mode="c")
            inputs[tensor.name] = mapped.view(numpy_dtype(tensor.dtype)).reshape(tensor.shape)
    return inputs


def read_reference(folder: Path, operation: Operation, shape: Shape, draw: Draw) -> dict[str, Any]:
    """The draw's outputs in float64, mapped."""
    names = [t.name for t in operation.tensors(shape) if t.role == "output"]
    return {name: np.load(folder / draw.label / f"want.{name}.npy", mmap_mode="c") for name in names}


def case_bytes(operation: Operation, shape: Shape, draws: int) -> int:
    """Bytes that `write_case` stores: inputs as declared, outputs in float64."""
    tensors = operation.tensors(shape)
    inputs = sum(t.nbytes for t in tensors if t.role == "input")
    outputs = sum(8 * t.elements for t in tensors if t.role == "output")
    return draws * (inputs + outputs)
