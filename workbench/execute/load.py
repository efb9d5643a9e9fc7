"""A plan loaded on a target, ready to run: one way for the CPU and a GPU, which differ in memory and place.

A target says what memory there is, and how a step's kernel, host function or Python function is called on it. What is
compiled, which tensors there are, in which order steps come, and what is poisoned, loaded and handed over is the same.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from workbench.compile import Binary, Unit, build_or_raise, unit_of_source, units_of
from workbench.declare import Plan, Tensor
from workbench.execute.bound import Bound, Inputs
from workbench.host_steps import bound_steps
from workbench.steps import Place, Source

TARGETS = {
    "cpu": ("workbench.execute.on_cpu", "CpuTarget"),
    "cuda": ("workbench.execute.on_cuda", "CudaTarget"),
}
"""Imported when they are used: each needs what the others do not."""


class Buffers(Protocol):
    """The memory of one set of tensors, each with guards on both sides."""

    def create(self, tensor: Tensor) -> None:
        """A buffer that holds nothing in particular."""

    def absent(self, name: str) -> None:
        """An optional input that is not given: kernels get a null pointer, Python functions None."""

    def load(self, name: str, array: Any) -> None:
        """Writes an array into the buffer. What a call has put in its place is forgotten."""

    def copy(self, tensor: Tensor) -> Any:
        """What the buffer holds, as a numpy array that is valid until the set runs again."""

    def poison(self, name: str) -> None:
        """Every byte 0xFF: NaN in every float type. What a call has put in the buffer's place is forgotten."""

    def check(self) -> None:
        """Raises Violation after a write outside of a buffer."""

    def release(self) -> None:
        """Gives the memory back."""


class Target(Protocol):
    """Where plans run."""

    arch: str
    """What kernels are compiled for; empty where none runs."""

    def buffers(self) -> Buffers: ...

    def place(self, buffers: Any, compiled: Callable[[Source], Binary]) -> Place: ...

    def runner(self, calls: list[Callable[[], Any]], plan: Plan) -> Callable[[], Any]:
        """One evaluation of the steps."""

    def synchronize(self) -> None: ...

    def close(self) -> None: ...


def load(
    plan: Plan,
    tensors: Sequence[Tensor],
    inputs: Sequence[Inputs],
    dtype: str,
    target: str,
    built: Mapping[Unit, Binary] | None = None,
    **options: Any,
) -> Bound:
    """Memory for every set of `inputs`, and the plan's steps resolved to calls on it. `built`: what the steps are
    compiled to, where somebody has it already; `options` are the target's own.

    Raises SourceError where a source does not compile, with the compiler's message, and Problem where a step cannot be
    part of a plan on this target.
    """
    module, name = TARGETS[target]
    found: Target = getattr(importlib.import_module(module), name)(**options)
    if built is None:
        built = build_or_raise(units_of(plan, dtype, [found.arch] if found.arch else []))
    return Loaded(plan, tensors, inputs, dtype, found, built)


class Loaded:
    """See `Bound`."""

    def __init__(
        self,
        plan: Plan,
        tensors: Sequence[Tensor],
        inputs: Sequence[Inputs],
        dtype: str,
        target: Target,
        built: Mapping[Unit, Binary],
    ) -> None:
        self.sets = len(inputs)
        self._target = target

        def compiled(source: Source) -> Binary:
            return built[unit_of_source(source, dtype, target.arch)]

        self._sets = [_Set(plan, tensors, values, target, compiled) for values in inputs]
        self._runs = [target.runner(one.calls, plan) for one in self._sets]

    def run(self, index: int = 0) -> None:
        self._runs[index]()

    def synchronize(self) -> None:
        self._target.synchronize()

    def poison(self, index: int = 0) -> None:
        self._sets[index].poison()

    def load(self, inputs: Inputs, index: int = 0) -> None:
        self._sets[index].load(inputs)
        self.synchronize()

    def inputs(self, index: int = 0) -> dict[str, Any]:
        self.synchronize()
        return self._sets[index].inputs()

    def outputs(self, index: int = 0) -> dict[str, Any]:
        self.synchronize()
        return self._sets[index].outputs()

    def memory(self, index: int = 0) -> list[tuple[int, int]]:
        buffers: Any = self._sets[index].buffers  # of the kinds of memory only a CPU's has addresses to flush
        return list(buffers.memory())

    def close(self) -> None:
        self._runs.clear()
        for one in self._sets:
            one.calls.clear()
            one.buffers.release()
        self._sets.clear()
        self._target.close()


class _Set:
    """One set of buffers and the plan's steps on it."""

    def __init__(
        self,
        plan: Plan,
        tensors: Sequence[Tensor],
        inputs: Inputs,
        target: Target,
        compiled: Callable[[Source], Binary],
    ) -> None:
        self.tensors: Mapping[str, Tensor] = {t.name: t for t in (*tensors, *plan.scratch)}
        self.buffers = target.buffers()
        self._given: list[str] = []
        self._before: dict[str, Any] = {}
        """What is worked on in place, as it was given."""
        for name, tensor in self.tensors.items():
            if tensor.given and inputs.get(name) is None:
                self.buffers.absent(name)
                continue
            self.buffers.create(tensor)
            if tensor.given:
                self._given.append(name)
        self.load(inputs)
        self.calls = list(bound_steps(plan, target.place(self.buffers, compiled)))

    def load(self, inputs: Inputs) -> None:
        for name in self._given:
            self.buffers.load(name, inputs[name])
            if self.tensors[name].compared:
                self._before[name] = inputs[name].copy()

    def inputs(self) -> dict[str, Any]:
        return {name: self.buffers.copy(self.tensors[name]) for name in self._given}

    def poison(self) -> None:
        for name, tensor in self.tensors.items():
            if not tensor.given:
                self.buffers.poison(name)
        for name, values in self._before.items():
            self.buffers.load(name, values)

    def outputs(self) -> dict[str, Any]:
        self.buffers.check()
        return {name: self.buffers.copy(t) for name, t in self.tensors.items() if t.compared}
