"""The share of a step's time that is spent in a library's operators, from torch.profiler."""

from __future__ import annotations

import os
from itertools import islice

from torch import nn
from torch.profiler import ProfilerActivity, profile

from workbench.tasks.task import Task

PROFILED_STEPS = 3


def time_in_operators(task: Task, model: nn.Module) -> dict[str, float]:
    """Library (`aten`, one's own) → share of the time of all operators of some forward and backward passes, without
    what they call. On a CUDA device time is that of their kernels."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it writes on standard error that it began
    model.train()
    on_cuda = next(model.parameters()).is_cuda
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_cuda
    with profile(activities=activities) as found:
        for batch in islice(task.batches(0), PROFILED_STEPS):
            task.loss(model, batch).backward()
            model.zero_grad()
    seconds: dict[str, float] = {}
    for event in found.key_averages():
        library, separator, _ = event.key.partition("::")
        if separator and library != "autograd":
            own = event.self_device_time_total if on_cuda else event.self_cpu_time_total
            seconds[library] = seconds.get(library, 0.0) + own
    total = sum(seconds.values())
    return {library: own / total for library, own in seconds.items()} if total else {}
