"""Copying over long gaps: symbols at the beginning (copy) or anywhere (selective copy) of a sequence, to be repeated at
its end; learned at one length, tested up to T = 65,536.

python -m examples.tasks.copying --quick
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from examples.tasks.base import Base, device_of, in_pieces
from examples.tasks.cells import Stack
from examples.tasks.command import main
from workbench.tasks.task import Goal, Metric

BLANK, ASK = 0, 1
"""Inputs that are no symbols: nothing, and the request to repeat the next one."""
PIECE = 1000
"""Steps of a piece, where a sequence is read in pieces: no multiple of any kernel's tile."""
MARGIN = 0.15
"""Of the share of symbols repeated rightly, above guessing."""


class Copier(nn.Module):
    def __init__(self, cell: str, symbols: int, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols + 2, width)
        self.stack = Stack(cell, width, layers)
        self.head = nn.Linear(width, symbols)
        self.embeddings, self.stacks = [self.embedding], [self.stack]

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.stack(self.embedding(inputs)))

    def go_on(self, inputs: Tensor, states: list[Any]) -> Tensor:
        return self.head(self.stack.go_on(self.embedding(inputs), states))


class Copying(Base):
    metric = Metric("symbols repeated rightly", "%")
    QUICK = {
        "epochs": 6, "steps": 60, "batch": 32, "width": 64, "layers": 2, "length": 16, "symbols": 8, "count": 3,
        "tested": (256, 65536), "learning_rate": 1e-2,
    }  # fmt: skip
    FULL = {
        "epochs": 40, "steps": 200, "batch": 64, "width": 64, "layers": 3, "length": 1024, "symbols": 16, "count": 16,
        "tested": (256, 4096, 65536), "learning_rate": 3e-3,
    }  # fmt: skip
    scattered = False
    data = ({"name": "generated, nothing is downloaded"},)

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        self.name = "selective_copy" if self.scattered else "copy"
        self.settings["tested"] = list(self.settings["tested"])
        self.steps = int(self.settings["steps"])
        self.goal = Goal(1 / self.settings["symbols"], "a guess", 1 / self.settings["symbols"] + MARGIN)

    def model(self, more_layers: int = 0) -> nn.Module:
        s = self.settings
        return Copier(self.subject, int(s["symbols"]), int(s["width"]), int(s["layers"]) + more_layers)

    def _made(self, batch: int, length: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs (batch, length) and targets, -1 where nothing is asked."""
        count, symbols = int(self.settings["count"]), int(self.settings["symbols"])
        said = torch.randint(symbols, (batch, count), generator=random)
        inputs = torch.full((batch, length), BLANK)
        if self.scattered:
            places = torch.rand(batch, length - count, generator=random).topk(count, 1).indices.sort(1).values
        else:
            places = torch.arange(count).expand(batch, count)
        inputs.scatter_(1, places, said + 2)
        inputs[:, -count:] = ASK
        targets = torch.full((batch, length), -1)
        targets[:, -count:] = said
        return inputs, targets

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        random = torch.Generator().manual_seed(1000 * self.seed + epoch)
        for _ in range(self.steps):
            yield self._made(int(self.settings["batch"]), int(self.settings["length"]), random)

    def quality(self, model: nn.Module) -> float:
        return self._right_at(model, int(self.settings["length"]), 256)

    def _right_at(self, model: nn.Module, length: int, sequences: int) -> float:
        random = torch.Generator().manual_seed(-1)
        return self.accuracy(model, [self._made(sequences, length, random)])

    def more(self, model: nn.Module) -> Mapping[str, float]:
        """Sequences much longer than those that it learned from; few of the longest, each a long forward pass. One of
        the longest is read in pieces too, its state carried on: the largest difference of any logit, over the largest
        logit."""
        lengths = [int(length) for length in self.settings["tested"]]
        right = {f"right at T = {n:,}": self._right_at(model, n, min(256, 2**19 // n)) for n in lengths}
        inputs = self._made(1, max(lengths), torch.Generator().manual_seed(-2))[0].to(device_of(model))
        return {**right, "difference in pieces": in_pieces(model, inputs, PIECE)}


class SelectiveCopy(Copying):
    scattered = True


if __name__ == "__main__":
    sys.exit(main([Copying, SelectiveCopy], __doc__ or ""))
