"""What a task is: a model, its data in epochs, how good it has become, and what must be beaten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

DATA, OPTIMISER, REST = "data", "optimiser", "rest"
"""Parts of every step: the batch is made, the weights are changed, and what is in no part."""


@dataclass(frozen=True)
class Metric:
    """What a task's quality is measured in."""

    name: str
    unit: str = ""
    """`%` of a share of 1, or none."""
    lower_is_better: bool = False

    def reaches(self, value: float, wanted: float) -> bool:
        return value <= wanted if self.lower_is_better else value >= wanted


@dataclass(frozen=True)
class Goal:
    """What a model that has learned nothing reaches, and what one that has learned must."""

    trivial: float
    meaning: str
    """How the trivial quality is reached: `the most frequent class`."""
    wanted: float


class Task(Protocol):
    """Everything of it is the same whenever it is made with the same settings: seeded by those, not by time."""

    name: str
    subject: str
    """What is compared: which module stands at the place of the part `studied`."""
    seed: int
    metric: Metric
    goal: Goal
    settings: Mapping[str, Any]
    """Everything beside subject and seed that the outcome hangs on, as plain data; `epochs` and `learning_rate`."""
    data: Sequence[Mapping[str, Any]]
    """Where the data come from: name, version, sha256, licence, and how many there are."""
    steps: int
    """Of an epoch."""
    studied: str
    """The name of the part that is studied."""

    def model(self, more_layers: int = 0) -> nn.Module:
        """Untrained; with so many layers more of what is studied."""

    def parts(self, model: nn.Module) -> Mapping[str, Iterable[nn.Module]]:
        """Named parts, disjoint: modules that take a tensor first and return a tensor, or a tuple that begins with
        one."""

    def batches(self, epoch: int) -> Iterable[Any]:
        """The batches of an epoch, `steps` of them."""

    def loss(self, model: nn.Module, batch: Any) -> Tensor: ...

    def quality(self, model: nn.Module) -> float:
        """On data that no batch holds."""

    def more(self, model: nn.Module) -> Mapping[str, float]:
        """Further figures of a trained model, by what they are called."""
