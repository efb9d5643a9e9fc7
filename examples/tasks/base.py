"""What the tasks share: settings, the order of an epoch, and the stack as the part that is studied."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Item = TypeVar("Item")


class Base:
    """A task of a cell and a seed (workbench.tasks.task). A subclass has `name`, `metric`, `goal`, `data`, `steps`, its
    model, `batches`, `loss` and `quality`; its model keeps its embeddings in `embeddings`, its stacks in `stacks`."""

    studied = "recurrent layers"
    QUICK: Mapping[str, Any]
    FULL: Mapping[str, Any]

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        self.subject, self.seed = cell, seed
        self.settings = dict(self.QUICK if chosen.quick else self.FULL)
        self.settings["layers"] = chosen.layers or self.settings["layers"]

    def parts(self, model: nn.Module) -> Mapping[str, Iterable[nn.Module]]:
        return {"embedding": model.embeddings, self.studied: [cell for stack in model.stacks for cell in stack.cells]}

    def shuffled(self, items: Sequence[Item], epoch: int) -> Iterator[list[Item]]:
        """All items in an order that seed and epoch decide, a batch at a time; what fills no batch is left out."""
        order = random.Random(f"{self.seed} {epoch}").sample(items, len(items))
        size = int(self.settings["batch"])
        return (order[first : first + size] for first in range(0, len(order) - size + 1, size))

    def more(self, model: nn.Module) -> Mapping[str, float]:
        return {}

    def accuracy(self, model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        """Share of targets that the model's largest logit names; targets under 0 do not count."""
        right = count = 0
        for inputs, targets in batches:
            named = model(inputs.to(device_of(model))).argmax(-1).cpu()
            right += int((named == targets).sum())
            count += int((targets >= 0).sum())
        return right / count

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Of logits and the numbers of the right ones, -1 where none counts."""
        inputs, targets = (x.to(device_of(model)) for x in batch)
        return F.cross_entropy(model(inputs).flatten(0, -2), targets.flatten(), ignore_index=-1)


def device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def in_pieces(model: nn.Module, inputs: Tensor, piece: int) -> float:
    """The largest difference of any logit between sequences read whole and in pieces with the state carried on, over
    the largest logit. The model has `go_on(inputs, states)` beside its forward pass."""
    whole, states = model(inputs), []
    pieces = torch.cat([model.go_on(part, states) for part in inputs.split(piece, 1)], 1)
    return float((pieces - whole).abs().max() / whole.abs().max())
