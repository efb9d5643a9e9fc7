"""A task's training: epochs with a line each, a checkpoint behind each, and what one more layer would cost at the end.

A training is one file, `task-NAME-SUBJECT-SEED.jsonl`: what it is, its epochs, what was found at the end. A checkpoint
holds the lines up to it, so that a training that was ended goes on from there and ends as if it had not been.
"""

from __future__ import annotations

import io
import json
import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from workbench.durable import write_whole
from workbench.execute.this_machine import device_name
from workbench.foreign import reading
from workbench.problem import Problem
from workbench.tasks.operators import time_in_operators
from workbench.tasks.parts import PartClock, clock_here, now
from workbench.tasks.task import DATA, OPTIMISER, REST, Task

FORMAT = 1
CHECKPOINTS = "checkpoints"
LARGEST_GRADIENT = 1.0
"""Norm above which gradients are scaled down."""
COMPARED_STEPS = 9
"""Steps that are timed of a model as it is and with one layer more, in turns; the first of each is not counted."""


def file_of(folder: Path, task: Task) -> Path:
    return folder / f"task-{task.name}-{task.subject}-{task.seed}.jsonl"


def train(
    task: Task,
    folder: Path,
    device: str = "cpu",
    told: Callable[[str], None] = lambda _: None,
    prepared_s: float = 0.0,
) -> Path:
    """Trains to the end, from the checkpoint of an earlier attempt where there is one; what has ended is left as it is.
    `told` gets a line per epoch; `prepared_s` is what making the task took, in seconds of its clock. Returns the file.
    Raises Problem for one of a training with other settings."""
    path = file_of(folder, task)
    checkpoint = folder / CHECKPOINTS / f"{path.stem}.pt"
    torch.manual_seed(task.seed)
    model = task.model().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=task.settings["learning_rate"])
    lines = [_header(task, model, device) | {"prepared_s": prepared_s}]
    if path.exists():
        before = _lines(path)
        _require_same(path, before[0], lines[0])
        if "ended" in before[-1]:
            told(f"{path.name}: trained already")
            return path
    if checkpoint.exists():
        lines = _resume(checkpoint, model, optimizer, device)
        told(f"{path.name}: goes on behind epoch {len(lines) - 1}")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    for epoch in range(len(lines) - 1, int(task.settings["epochs"])):
        lines.append(_epoch(task, model, optimizer, epoch))
        _save(checkpoint, model, optimizer, lines)
        _write(path, lines)
        told(_told(task, lines[-1]))
    lines.append(_end(task, model, device))
    _write(path, lines)
    return path


def _header(task: Task, model: nn.Module, device: str) -> dict[str, Any]:
    studied = [p for module in task.parts(model)[task.studied] for p in module.parameters()]
    return {
        "format": FORMAT,
        "task": task.name,
        "subject": task.subject,
        "seed": task.seed,
        "studied": task.studied,
        "settings": dict(task.settings),
        "metric": {
            "name": task.metric.name,
            "unit": task.metric.unit,
            "lower_is_better": task.metric.lower_is_better,
        },
        "goal": {"trivial": task.goal.trivial, "meaning": task.goal.meaning, "wanted": task.goal.wanted},
        "data": [dict(source) for source in task.data],
        "steps": task.steps,
        "parameters": sum(p.numel() for p in model.parameters()),
        "parameters_studied": sum(p.numel() for p in studied),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device_name("cuda" if device.startswith("cuda") else "cpu"),
        "clock": clock_here(device),
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }


NOT_THE_TRAINING = ("created", "device", "clock", "threads", "versions", "prepared_s")
"""What of a header may differ where a training goes on."""


def _require_same(path: Path, before: Mapping[str, Any], today: Mapping[str, Any]) -> None:
    wanted = json.loads(json.dumps(today))
    for name, value in wanted.items():
        if name not in NOT_THE_TRAINING and before.get(name) != value:
            raise Problem(f"{path}: a training with other {name}; name another folder, or remove it and its checkpoint")


def _epoch(task: Task, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> dict[str, Any]:
    # What is drawn in an epoch (dropout) hangs on its number alone, so that one that is begun again is the same.
    torch.manual_seed(1_000_003 * (task.seed + 1) + epoch)
    model.train()
    parts = PartClock(model, task.parts(model))
    clock = clock_here(str(next(model.parameters()).device))
    total, losses, begun = 0.0, [], time.perf_counter()
    try:
        batches = iter(task.batches(epoch))
        for step in range(task.steps):
            for group in optimizer.param_groups:
                done = (epoch * task.steps + step) / (task.settings["epochs"] * task.steps)
                group["lr"] = task.settings["learning_rate"] * 0.5 * (1 + math.cos(math.pi * done))
            begin = now(clock)
            losses.append(_step(task, model, optimizer, parts, batches))
            total += now(clock) - begin
        found = parts.take()
    finally:
        parts.remove()
    begin, wall = now(clock), time.perf_counter() - begun
    quality = quality_of(task, model)
    return {
        "epoch": epoch + 1,
        "quality": quality,
        "loss": sum(losses) / len(losses),
        "seconds": total,
        "wall_s": wall,
        "parts": {**found, REST: total - sum(found.values())},
        "evaluation_s": now(clock) - begin,
        "load": os.getloadavg()[0],
    }


def _step(task: Task, model: nn.Module, optimizer: torch.optim.Optimizer, parts: PartClock, batches: Any) -> float:
    with parts.part(DATA):
        batch = next(batches)
    optimizer.zero_grad()
    loss = task.loss(model, batch)
    loss.backward()
    with parts.part(OPTIMISER):
        nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()
    return float(loss.detach())  # on a GPU this waits for the step to end


def quality_of(task: Task, model: nn.Module) -> float:
    model.eval()
    with torch.no_grad():
        return task.quality(model)


def _end(task: Task, model: nn.Module, device: str) -> dict[str, Any]:
    clock = clock_here(device)
    begin = now(clock)
    model.eval()
    with torch.no_grad():
        more = dict(task.more(model))
    # Both with fresh weights: trained ones may take another time, and would be counted as the layer's.
    one, two = _in_turns(task, *(task.model(more_layers=more_layers).to(device) for more_layers in (0, 1)))
    return {
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "more": more,
        "one_more_layer_s": (two - one) * task.steps,
        "operators": time_in_operators(task, model),
        "end_s": now(clock) - begin,
    }


def _in_turns(task: Task, *models: nn.Module) -> list[float]:
    """Median seconds of a forward and a backward pass of each model."""
    seconds: list[list[float]] = [[] for _ in models]
    clock = clock_here(str(next(models[0].parameters()).device))
    for batch in islice(task.batches(0), COMPARED_STEPS):
        for model, own in zip(models, seconds, strict=True):
            model.train()
            begin = now(clock)
            loss = task.loss(model, batch)
            loss.backward()
            float(loss.detach())
            own.append(now(clock) - begin)
            model.zero_grad()
    return [median(own[1:] or own) for own in seconds]


def _told(task: Task, line: Mapping[str, Any]) -> str:
    return (
        f"{task.name} {task.subject} seed {task.seed}: epoch {line['epoch']} of {task.settings['epochs']}, "
        f"{task.metric.name} {line['quality']:.4g}, loss {line['loss']:.4g}, {line['seconds']:.2f} s"
    )


def _save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, lines: list[dict[str, Any]]) -> None:
    buffer = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "lines": json.dumps(lines)}, buffer)
    write_whole(path, buffer.getvalue())


def _resume(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, device: str) -> list[dict[str, Any]]:
    with reading(path, "corrupt, not a checkpoint of this training", "remove it, and the training begins anew"):
        held = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(held["model"])
        optimizer.load_state_dict(held["optimizer"])
        lines: list[dict[str, Any]] = json.loads(held["lines"])
        return lines


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    write_whole(path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def _lines(path: Path) -> list[dict[str, Any]]:
    with reading(path, "corrupt, not the lines of a training", "remove it"):
        return [dict(json.loads(line)) for line in path.read_text().splitlines()]
