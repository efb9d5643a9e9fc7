"""Handwritten digits, a pixel at a time: scikit-learn's images as sequences, enlarged to be longer ones in full.

python -m examples.tasks.pixels --quick --fetch
"""

from __future__ import annotations

import argparse
import gzip
import random
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from examples.tasks.base import Base
from examples.tasks.cells import Stack
from examples.tasks.command import main
from workbench.foreign import reading
from workbench.tasks.packages import Package, fetched
from workbench.tasks.task import Goal, Metric

DIGITS = Package(
    "pip", "scikit-learn", "1.9.1",
    "scikit_learn-1.9.1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
    "BSD-3-Clause; of the images, a copy of UCI's test set, the wheel states no licence", 9.1,
)  # fmt: skip
MEMBER = "sklearn/datasets/data/digits.csv.gz"
SIDE = 8
MARGIN = 0.4
"""Of accuracy, above the most frequent class."""


def digits(wheel: Path) -> tuple[Tensor, Tensor]:
    """Images (N, 8, 8) from 0 to 1 and their classes (N), out of the wheel: nothing of it is imported."""
    with reading(wheel, "corrupt, not the digits", "remove it and fetch it again"), zipfile.ZipFile(wheel) as file:
        table = np.loadtxt(gzip.decompress(file.read(MEMBER)).decode().splitlines(), delimiter=",", dtype=np.float32)
        images = torch.from_numpy(table[:, :-1]).reshape(-1, SIDE, SIDE)
        return images / 16, torch.from_numpy(table[:, -1]).long()


class Classifier(nn.Module):
    """A product of each pixel, the stack, and logits from the last step."""

    def __init__(self, cell: str, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(1, width)
        self.stack = Stack(cell, width, layers)
        self.head = nn.Linear(width, 10)
        self.embeddings, self.stacks = [self.embedding], [self.stack]

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.stack(self.embedding(pixels[..., None]))[:, -1])


class Pixels(Base):
    name = "pixels"
    metric = Metric("accuracy", "%")
    QUICK = {"epochs": 10, "batch": 64, "width": 64, "layers": 2, "enlarged": 1, "learning_rate": 1e-2}
    FULL = {"epochs": 40, "batch": 32, "width": 128, "layers": 3, "enlarged": 4, "learning_rate": 3e-3}

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        images, classes = digits(fetched(DIGITS, chosen.fetch))
        times = int(self.settings["enlarged"])
        sequences = images.repeat_interleave(times, 1).repeat_interleave(times, 2).flatten(1)
        order = list(range(len(classes)))
        random.Random(0).shuffle(order)
        cut = len(order) // 5
        self.sequences, self.classes = sequences, classes
        self.test, self.training = order[:cut], order[cut:]
        self.steps = len(self.training) // int(self.settings["batch"])
        self.data = [DIGITS.source() | {"images": len(order), "steps of a sequence": sequences.shape[1]}]
        most = int(classes[self.test].bincount().max()) / cut
        self.goal = Goal(most, "the most frequent class", most + MARGIN)

    def model(self, more_layers: int = 0) -> nn.Module:
        return Classifier(self.subject, int(self.settings["width"]), int(self.settings["layers"]) + more_layers)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        return ((self.sequences[chosen], self.classes[chosen]) for chosen in self.shuffled(self.training, epoch))

    def quality(self, model: nn.Module) -> float:
        return self.accuracy(model, [(self.sequences[self.test], self.classes[self.test])])


if __name__ == "__main__":
    sys.exit(main([Pixels], __doc__ or ""))
