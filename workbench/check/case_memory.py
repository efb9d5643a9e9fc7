"""The memory of a case: inputs that every variant's worker reads, references that none of them can reach.

Both are made once, by a process that runs no variant, and then sealed: no variant can spoil another's. Workers are
given the inputs alone. What they compute comes back in a block of their own, and the coordinator compares it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from workbench.check.case import InputSet, make_set, sets_at_once
from workbench.declare import Operation, Shape, Tensor
from workbench.dtypes import numpy_dtype
from workbench.execute.sealed import Block, read_view, write_view
from workbench.problem import Problem

ALIGNMENT = 64


class Layout:
    """Where each of several named arrays lies in a block."""

    def __init__(self, arrays: Iterable[tuple[Any, tuple[int, ...], Any]]) -> None:
        """`arrays`: key, shape and dtype of each."""
        self._places: dict[Any, tuple[int, int, tuple[int, ...], Any]] = {}
        end = 0
        for key, shape, dtype in arrays:
            first = -(-end // ALIGNMENT) * ALIGNMENT
            end = first + int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            self._places[key] = first, end, shape, dtype
        self.nbytes = end

    def array(self, memory: Any, key: Any) -> Any:
        """The array of this key over the block's bytes."""
        first, end, shape, dtype = self._places[key]
        return memory[first:end].view(dtype).reshape(shape)


def input_layout(operation: Operation, shape: Shape, input_sets: Iterable[InputSet]) -> Layout:
    """By (label of the set, name): every input that the set gives."""
    return Layout(
        ((input_set.label, t.name), t.shape, numpy_dtype(t.dtype))
        for input_set in input_sets
        for t in given_inputs(operation.tensors(shape), input_set)
    )


def reference_layout(operation: Operation, shape: Shape, input_sets: Iterable[InputSet]) -> Layout:
    """By (label of the set, name): every output in float64."""
    outputs = [t for t in operation.tensors(shape) if t.compared]
    return Layout(((input_set.label, t.name), t.shape, np.float64) for input_set in input_sets for t in outputs)


def answer_layout(operation: Operation, shape: Shape) -> Layout:
    """By name: a set's inputs and outputs as a worker hands them over."""
    return Layout((t.name, t.shape, numpy_dtype(t.dtype)) for t in operation.tensors(shape) if t.role != "scratch")


def given_inputs(tensors: Sequence[Tensor], input_set: InputSet) -> list[Tensor]:
    return [t for t in tensors if t.given and (input_set.optional_given or not t.optional)]


def case_bytes(operation: Operation, shape: Shape, input_sets: int) -> int:
    """Bytes of the inputs, as declared, and of the outputs, in float64, of so many sets."""
    tensors = operation.tensors(shape)
    inputs = sum(t.nbytes for t in tensors if t.given)
    outputs = sum(8 * t.elements for t in tensors if t.compared)
    return input_sets * (inputs + outputs)


class CaseMemory:
    """The coordinator's hold on both; a context manager, at whose end they are given back."""

    def __init__(self, operation: Operation, shape: Shape, input_sets: Sequence[InputSet]) -> None:
        self.operation, self.shape, self.input_sets = operation, shape, tuple(input_sets)
        self._input_layout = input_layout(operation, shape, input_sets)
        self._reference_layout = reference_layout(operation, shape, input_sets)
        self.inputs_block, self.references_block = (
            Block(self._input_layout.nbytes),
            Block(self._reference_layout.nbytes),
        )
        self._views: tuple[Any, Any] | None = None

    def __enter__(self) -> CaseMemory:
        return self

    def __exit__(self, *error: object) -> None:
        self._views = None
        self.inputs_block.close()
        self.references_block.close()

    def seal(self) -> None:
        """Once both are written: nobody can change them any more."""
        for block in (self.inputs_block, self.references_block):
            block.seal()
        self._views = self.inputs_block.view(), self.references_block.view()

    def inputs(self, input_set: InputSet) -> dict[str, Any]:
        assert self._views is not None
        names = [t.name for t in given_inputs(self.operation.tensors(self.shape), input_set)]
        return {name: self._input_layout.array(self._views[0], (input_set.label, name)) for name in names}

    def reference(self, input_set: InputSet) -> dict[str, Any]:
        assert self._views is not None
        names = [t.name for t in self.operation.tensors(self.shape) if t.compared]
        return {name: self._reference_layout.array(self._views[1], (input_set.label, name)) for name in names}


class CaseInputs:
    """A worker's view of the inputs, by their descriptor."""

    def __init__(self, operation: Operation, shape: Shape, input_sets: Sequence[InputSet], descriptor: int) -> None:
        self._tensors = operation.tensors(shape)
        self._layout = input_layout(operation, shape, input_sets)
        self._memory = read_view(descriptor)

    def of(self, input_set: InputSet) -> dict[str, Any]:
        """The set's inputs; an absent optional one is missing."""
        return {
            t.name: self._layout.array(self._memory, (input_set.label, t.name))
            for t in given_inputs(self._tensors, input_set)
        }


def write_case(
    operation: Operation, shape: Shape, input_sets: Sequence[InputSet], inputs: int, references: int
) -> None:
    """Makes inputs and references of every set and writes them to the blocks of these descriptors. Raises Problem
    where the operation makes others than it declares."""
    tensors = operation.tensors(shape)
    outputs = [t for t in tensors if t.compared]
    layouts = input_layout(operation, shape, input_sets), reference_layout(operation, shape, input_sets)
    memories = write_view(inputs), write_view(references)

    def write(input_set: InputSet) -> None:
        made = make_set(operation, shape, input_set)
        for part, wanted in enumerate((given_inputs(tensors, input_set), outputs)):
            for tensor in wanted:
                found = made[part].get(tensor.name)
                if found is None or found.shape != tensor.shape:
                    what = "nothing" if found is None else f"shape {found.shape}"
                    source = ("make_inputs", "reference")[part]
                    raise Problem(f"{operation.key}: {source} gives {what} for {tensor.name}, declared {tensor.shape}")
                layouts[part].array(memories[part], (input_set.label, tensor.name))[...] = found

    with ThreadPoolExecutor(sets_at_once(operation, shape, len(input_sets))) as pool:
        list(pool.map(write, input_sets))
