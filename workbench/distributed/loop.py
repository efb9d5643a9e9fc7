"""One rank's training: steps over its part of each batch, with checkpoints, and a line per step of what happened."""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from workbench.distributed import checkpoint, facts, links
from workbench.distributed.cost import Carry, Pipelined
from workbench.distributed.mesh import Sizes, ranks
from workbench.distributed.schemes import Weights, lay_out, own_part, require_model, whole_weights
from workbench.distributed.task import Task, load_task
from workbench.durable import append_whole, write_whole
from workbench.foreign import first_words
from workbench.problem import Problem


@dataclass(frozen=True)
class Training:
    """What is trained and how: plain data, the same on every rank."""

    task: str
    folder: str
    steps: int
    sizes: Sizes = field(default_factory=Sizes)
    weights: Weights = "replicated"
    carry: Carry = "gather"
    average_every: int = 1
    """1: gradients are averaged in every step. More: each rank steps for itself, and weights are averaged."""
    pipeline: Pipelined | None = None
    parts: int = 4
    checkpoint_every: int = 0
    traced_steps: int = 0
    grown: int = 1
    """A step's batch is that many of the task's, as sequences or as time steps more, after the mesh's dimension."""
    timeout_s: float = 60.0

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Training:
        data: dict[str, Any] = json.loads(text)
        return cls(**{**data, "sizes": Sizes(**data["sizes"])})


def batch(training: Training, task: Task, step: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets of a step, whole."""
    grown = training.grown
    if grown == 1:
        return task.batch(step)
    axis = 1 if training.sizes.sequence > 1 else 0
    several = zip(*(task.batch(step * grown + place) for place in range(grown)), strict=True)
    inputs, targets = (torch.cat(parts, axis) for parts in several)
    return inputs, targets


def require(training: Training, task: Task, count: int) -> None:
    """Raises Problem for what can be seen to be wrong before ranks are started, which takes seconds."""
    inputs, _ = batch(training, task, 0)
    if inputs.dim() < 2:
        raise Problem(f"{training.task}: batch(0) has inputs of shape {tuple(inputs.shape)}; (B, T, …) is wanted")
    sizes = training.sizes
    if training.average_every > 1 and sizes.sequence * sizes.tensor > 1:
        raise Problem("weights averaged every few steps are for data parallel ranks alone: use --data", 2)
    if training.pipeline is not None:
        from workbench.distributed.pipeline import require_parts, stages_of

        require_parts(inputs, training.parts, training.pipeline)
        stages_of(_model(training, task), count)
    else:
        sizes.fit(count, inputs.shape[0], inputs.shape[1])
        if sizes.sequence * sizes.tensor > 1:
            require_model(_model(training, task), sizes)


def _model(training: Training, task: Task) -> nn.Module:
    try:
        return task.model()
    except Exception as error:  # the user's own code
        raise Problem(f"{training.task}: model(): {type(error).__name__}: {first_words(error)}") from error


def run(training: Training) -> None:
    """Trains on this rank. Raises Problem for what a user can mend, whatever a collective raises for a lost rank."""
    task = load_task(training.task)
    with ranks(training.sizes, training.timeout_s, pipeline=training.pipeline is not None) as mesh:
        if training.pipeline is not None:
            loop: _Loop = _Pipelined(training, task, mesh)
        else:
            loop = _Laid(training, task, mesh)
        first = [attempt()]
        dist.broadcast_object_list(first)  # machines count their restarts each for itself
        if first[0] == 0:
            note(training, task, torch.device(mesh.device_type))
        loop.run()


def note(training: Training, task: Task, device: torch.device) -> None:
    """Writes what the training is; where its steps are traced, what its model would pass and what its links cost."""
    first, folder, passed, unseen = dist.get_rank() == 0, Path(training.folder), None, ""
    if training.traced_steps and first:
        try:
            with torch.random.fork_rng(devices=[]):
                passed = facts.look(task.model().to(device), task.batch(0)[0].to(device))
        except Exception as error:  # a model that takes no single sequence, or cannot be cut: it trains all the same
            unseen = f"{type(error).__name__}: {first_words(error)}"
    if first:
        facts.write(asdict(training), dist.get_world_size(), device.type, passed, unseen, folder)
    if training.traced_steps and dist.get_world_size() > 1:
        from workbench.distributed import link_times

        found = link_times.measure(device)
        if first:
            links.write(found, folder)


def attempt() -> int:
    """How often torchrun has started the ranks of this machine again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


class _Loop(ABC):
    """Steps, checkpoints and what is written of them; how a step is done is its subclass's."""

    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(self, training: Training, task: Task) -> None:
        self.training = training
        self.task = task
        self.folder = Path(training.folder)
        self.checkpoints = self.folder / "checkpoints"
        self.rank = dist.get_rank()
        self.alone = training.average_every > 1
        self.attempt = attempt()

    @abstractmethod
    def step(self, number: int) -> float | None:
        """One optimiser step; its loss where this rank has it."""

    @abstractmethod
    def trained_weights(self) -> dict[str, Tensor]:
        """Every weight of the model, by its name, the ranks' parts put together."""

    def run(self) -> None:
        begin = self._resumed()
        writer = None
        if self.training.checkpoint_every:
            writer = checkpoint.Writer(self.checkpoints, self.alone, self.training.timeout_s)
        profile = self._profiler()
        for number in range(begin, self.training.steps):
            start = time.time()
            try:
                loss = self.step(number)
            except Exception as error:
                error.add_note(f"step {number}")
                raise
            self._line(step=number, start_s=start, seconds=time.time() - start, loss=loss)
            if profile is not None:
                profile.step()
            if writer is not None and (number + 1) % self.training.checkpoint_every == 0:
                writer.begin(number + 1, self.model, self.optimizer)
        if profile is not None:
            profile.__exit__(None, None, None)
        if writer is not None:
            writer.wait()
        weights = self.trained_weights()
        if self.rank == 0:
            _write_weights(self.folder / "weights.pt", weights)
        dist.barrier()

    def _resumed(self) -> int:
        found = [checkpoint.newest(self.checkpoints)]
        dist.broadcast_object_list(found)  # ranks may see a shared file system at different moments
        if found[0] is None:
            return 0
        checkpoint.load(self.checkpoints, found[0], self.model, self.optimizer, self.alone)
        self._line(resumed_at=found[0], start_s=time.time())
        return found[0]

    def _line(self, **values: Any) -> None:
        line = json.dumps({"rank": self.rank, "attempt": self.attempt, **values}) + "\n"
        append_whole(self.folder / f"rank-{self.rank}.jsonl", line.encode(), durable=False)

    def _profiler(self) -> Any:
        if not self.training.traced_steps:
            return None
        activities = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        profile = torch.profiler.profile(
            activities=activities,
            schedule=torch.profiler.schedule(wait=0, warmup=1, active=self.training.traced_steps, repeat=1),
            on_trace_ready=lambda made: made.export_chrome_trace(str(self.folder / f"trace-{self.rank}.json")),
        )
        return profile.__enter__()


class _Laid(_Loop):
    """A model laid over the mesh."""

    def __init__(self, training: Training, task: Task, mesh: DeviceMesh) -> None:
        super().__init__(training, task)
        self.mesh = mesh
        model = task.model().to(mesh.device_type)
        self.model = model if self.alone else lay_out(model, mesh, training.weights, training.carry)
        self.optimizer = optimizer_of(task, self.model)

    def step(self, number: int) -> float:
        inputs, targets = (
            own_part(x, self.mesh).to(self.mesh.device_type) for x in batch(self.training, self.task, number)
        )
        self.optimizer.zero_grad()
        loss = self.task.loss(self.model(inputs), targets)
        loss.backward()
        self.optimizer.step()
        if self.training.average_every > 1 and (number + 1) % self.training.average_every == 0:
            average(self.model)
        return float(loss.detach())

    def trained_weights(self) -> dict[str, Tensor]:
        if self.training.average_every > 1:
            average(self.model)
        return {name.removeprefix("module."): value for name, value in whole_weights(self.model).items()}


class _Pipelined(_Loop):
    """Layers over ranks."""

    def __init__(self, training: Training, task: Task, mesh: DeviceMesh) -> None:
        from workbench.distributed.pipeline import Pipeline  # takes a second, which most trainings do not need

        super().__init__(training, task)
        inputs, _ = task.batch(0)
        kind = training.pipeline or "batch"
        self.pipe = Pipeline(task.model(), mesh, task.loss, inputs, training.parts, kind)
        self.model = self.pipe.model
        self.optimizer = optimizer_of(task, self.model)

    def step(self, number: int) -> float | None:
        self.optimizer.zero_grad()
        loss = self.pipe.step(*self.task.batch(number))
        self.optimizer.step()
        return loss

    def trained_weights(self) -> dict[str, Tensor]:
        everyone: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(everyone, self.pipe.weights())
        return {name: value for stage in everyone for name, value in stage.items()}


def optimizer_of(task: Task, model: nn.Module) -> torch.optim.Optimizer:
    """The task's own `optimizer(parameters)`, or AdamW with its defaults."""
    own = getattr(task, "optimizer", None)
    made: torch.optim.Optimizer = own(model.parameters()) if callable(own) else torch.optim.AdamW(model.parameters())
    return made


def average(model: nn.Module) -> None:
    """Every weight becomes the mean over ranks."""
    with torch.no_grad():
        for weight in model.parameters():
            dist.all_reduce(weight)
            weight /= dist.get_world_size()


def _write_weights(path: Path, weights: dict[str, Tensor]) -> None:
    import io

    data = io.BytesIO()
    torch.save(weights, data)
    write_whole(path, data.getvalue())
