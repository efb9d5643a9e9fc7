"""How long a training will take, from a few of its steps: what to know before one of hours is begun."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import torch

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
