"""What each part of a training step takes, forwards and backwards, by marks that hooks set around modules."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from workbench.tasks import BACKWARD, FORWARD

WALL, CPU = "wall", "cpu"


def clock_here(device: str) -> str:
    """What tells time in a training: the process's CPU time where it has one thread on a CPU, which other processes do
    not lengthen by taking the cores; else the clock on the wall."""
    return CPU if torch.get_num_threads() == 1 and not device.startswith("cuda") else WALL


def now(clock: str) -> float:
    """Seconds of that clock, from some moment on."""
    return time.process_time() if clock == CPU else time.perf_counter()


class PartClock:
    """Seconds per part. A module's backward pass runs between two marks in the graph, one on its output and one on
    its input; autograd runs what was made last first, so that nothing of another module comes between. Of a module
    whose input has no gradient it ends when the last of its weights has its own.

    On a CUDA device the marks are events and are read together: nothing waits for the device inside a step.
    """

    def __init__(self, model: nn.Module, parts: Mapping[str, Iterable[nn.Module]]) -> None:
        weight = next(model.parameters(), None)
        self._on_cuda = weight is not None and weight.is_cuda
        self._clock = clock_here("cuda" if self._on_cuda else "cpu")
        self._spans: list[tuple[str, Any, Any]] = []
        self._hooks: list[Any] = []
        for name, modules in parts.items():
            for module in modules:
                self._watch(name, module)

    def take(self) -> dict[str, float]:
        """Seconds of each part since the last call."""
        if self._on_cuda:
            torch.cuda.synchronize()
        found: dict[str, float] = defaultdict(float)
        for name, begin, end in self._spans:
            found[name] += begin.elapsed_time(end) * 1e-3 if self._on_cuda else end - begin
        self._spans.clear()
        return dict(found)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What the block does belongs to this part."""
        begin = self._now()
        yield
        self._spans.append((name, begin, self._now()))

    def remove(self) -> None:
        """Takes the hooks off the model."""
        for hook in self._hooks:
            hook.remove()

    def _now(self) -> Any:
        if not self._on_cuda:
            return now(self._clock)
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _watch(self, name: str, module: nn.Module) -> None:
        begun: list[Any] = [None, None]  # forwards, backwards
        has_gradient = [False]

        def enter(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            has_gradient[0] = torch.is_grad_enabled() and inputs[0].requires_grad
            first = _Mark.apply(inputs[0], leave_backward) if has_gradient[0] else inputs[0]
            begun[0] = self._now()
            return (first, *inputs[1:])

        def leave(_: nn.Module, __: Any, output: Any) -> Any:
            self._spans.append((name + FORWARD, begun[0], self._now()))
            if not torch.is_grad_enabled():
                return output
            first = output if isinstance(output, Tensor) else output[0]
            marked = _Mark.apply(first, enter_backward) if first.requires_grad else first
            return marked if isinstance(output, Tensor) else (marked, *output[1:])

        def enter_backward() -> None:
            begun[1] = self._now()

        def leave_backward() -> None:
            if begun[1] is not None:
                self._spans.append((name + BACKWARD, begun[1], self._now()))
            begun[1] = None

        last: list[Any] = [None]

        def has_its_own(_: Tensor) -> None:
            if not has_gradient[0] and begun[1] is not None:
                # Another weight of the module may follow: its span takes this one's place.
                if last[0] is not None and self._spans and self._spans[-1] is last[0]:
                    self._spans.pop()
                last[0] = (name + BACKWARD, begun[1], self._now())
                self._spans.append(last[0])

        self._hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        self._hooks += [
            weight.register_post_accumulate_grad_hook(has_its_own)
            for weight in module.parameters()
            if weight.requires_grad
        ]


class _Mark(torch.autograd.Function):  # type: ignore[misc]
    """The identity, which calls a function when the gradient passes it."""

    @staticmethod
    def forward(context: Any, x: Tensor, passed: Any) -> Tensor:
        context.passed = passed
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        context.passed()
        return gradient, None
