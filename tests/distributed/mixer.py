"""A small model of two layers that mix over time, its data, and its training on one process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from workbench.distributed.affine import doubling
from workbench.distributed.task import Task

B, T, D, H = 4, 24, 6, 8


SCANNED: set[int] = set()
"""Lengths of what the model's own scan was called for, in this process."""


def local_scan(a: Tensor, b: Tensor, h0: Tensor) -> tuple[Tensor, Tensor]:
    SCANNED.add(a.shape[1])
    h = doubling(a, b, h0)
    return h, h[:, -1]


class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.value, self.out = nn.Linear(D, H), nn.Linear(D, H), nn.Linear(H, D)
        self.scan: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] = local_scan

    def forward(self, x: Tensor) -> Tensor:
        a = torch.sigmoid(self.gate(x) + 4.0)  # slow: the state crosses every block of time
        b = (1 - a) * self.value(x)
        h, _ = self.scan(a, b, torch.zeros_like(b[:, 0]))
        return x + self.out(h)


class Stack(nn.Module):
    def __init__(self, layers: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Mixer() for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def stages(self, count: int) -> list[nn.Module]:
        each = -(-len(self.layers) // count)
        return [nn.Sequential(*self.layers[i * each : (i + 1) * each]) for i in range(count)]

    def tensor_plan(self) -> dict[str, str]:
        styles = {"gate": "columns", "value": "columns", "out": "rows"}
        return {f"layers.{i}.{name}": style for i in range(len(self.layers)) for name, style in styles.items()}


class Shifted:
    """Repeat what came three steps ago."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        self.dtype = dtype

    def model(self) -> nn.Module:
        torch.manual_seed(0)
        return Stack().to(self.dtype)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        time.sleep(float(os.environ.get("STEP_PAUSE_S", "0")))
        if os.environ.get("FAIL_AT") == f"{os.environ.get('RANK')}:{step}":
            raise RuntimeError(f"planted at step {step}")
        if os.environ.get("HANG_AT") == f"{os.environ.get('RANK')}:{step}":
            time.sleep(1e6)
        x = torch.randn(B, T, D, generator=torch.Generator().manual_seed(step), dtype=torch.float64).to(self.dtype)
        return x, x.roll(3, 1)

    def optimizer(self, weights: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        return sgd(weights)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return (output - target).square().mean()


def make() -> Shifted:
    return Shifted()


def make_single() -> Shifted:
    return Shifted(torch.float32)


STEPS = 20


def trained_alone() -> dict[str, Tensor]:
    return trained_on_one(Shifted())[0]


def trained_on_one(task: Task) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights after all steps, and the gradients of the last one, of one process."""
    model = task.model()
    optimizer = sgd(model.parameters())
    for step in range(STEPS):
        inputs, targets = task.batch(step)
        optimizer.zero_grad()
        task.loss(model(inputs), targets).backward()
        optimizer.step()
    weights = {name: value.detach() for name, value in model.state_dict().items()}
    return weights, {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


def sgd(weights: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=0.1, momentum=0.9)


def apart(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The largest relative difference of any of them, by norms. Raises KeyError for one that is not there."""
    return max(float((found[name] - value).norm() / value.norm()) for name, value in expected.items())
