"""How long a training will take, from a few of its steps: what to know before one of hours is begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch

from workbench.quantity import quantity
from workbench.tasks.parts import clock_here, now
from workbench.tasks.task import Task

TIMED_STEPS = 3
"""Steps that are timed behind a first one, which is not counted."""


@dataclass(frozen=True)
class Estimate:
    step_s: float
    """Median seconds of a step, of the clock that its training would have."""
    steps: int
    """Of all epochs."""

    @property
    def steps_s(self) -> float:
        """Seconds of all steps; evaluation comes on top."""
        return self.step_s * self.steps

    def text(self) -> str:
        return f"{self.steps:,} steps of {quantity(self.step_s, 's')}, {quantity(self.steps_s, 's')} per seed"


def estimate(task: Task, device: str = "cpu") -> Estimate:
    """Takes some steps with a model of its own, and keeps nothing of them."""
    torch.manual_seed(task.seed)
    model = task.model().to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=task.settings["learning_rate"])
    clock = clock_here(device)
    seconds: list[float] = []
    batches = iter(task.batches(0))
    while len(seconds) < min(TIMED_STEPS + 1, task.steps):
        begin = now(clock)
        optimizer.zero_grad()
        loss = task.loss(model, next(batches))
        loss.backward()
        optimizer.step()
        float(loss.detach())  # on a GPU this waits for the step to end
        seconds.append(now(clock) - begin)
    return Estimate(median(seconds[1:] or seconds), int(task.settings["epochs"]) * task.steps)


def total_text(found: Sequence[Estimate], seeds: int) -> str:
    total = quantity(seeds * sum(one.steps_s for one in found), "s")
    return f"{total} for {seeds} seeds of each, evaluation not counted"
