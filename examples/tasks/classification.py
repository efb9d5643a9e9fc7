"""What the tasks of text classification share: the model, and batches of texts with their classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from examples.tasks.base import Base
from examples.tasks.cells import Stack
from examples.tasks.texts import PADDING, Vocabulary, padded
from workbench.tasks.task import Goal, Metric

Text = tuple[list[str], int]
"""Words and their class."""


class Classifier(nn.Module):
    """Embedding, the stack, the largest of each channel over the words, and a logit per class."""

    def __init__(self, cell: str, words: int, classes: int, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width, padding_idx=PADDING)
        self.stack = Stack(cell, width, layers, dropout=0.2)
        self.head = nn.Linear(width, classes)
        self.embeddings, self.stacks = [self.embedding], [self.stack]

    def forward(self, words: Tensor) -> Tensor:
        y = self.stack(self.embedding(words))
        return self.head(y.masked_fill((words == PADDING)[..., None], -9.0).amax(1))


class Classification(Base):
    """A subclass has `name`, settings, and calls `split` with its texts."""

    metric = Metric("accuracy", "%")

    def split(self, test: Sequence[Text], training: Sequence[Text], classes: int, margin: float) -> None:
        """To be told apart `margin` of accuracy better than by naming the most frequent class of `test`."""
        self.test, self.training, self.classes = test, training, classes
        self.vocabulary = Vocabulary((words for words, _ in training), int(self.settings["words"]))
        self.steps = len(training) // int(self.settings["batch"])
        most = Counter(kind for _, kind in test).most_common(1)[0][1] / len(test)
        self.goal = Goal(most, "the most frequent class", most + margin)

    def model(self, more_layers: int = 0) -> nn.Module:
        s = self.settings
        return Classifier(
            self.subject, len(self.vocabulary), self.classes, int(s["width"]), int(s["layers"]) + more_layers
        )

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        return (self._batch(chosen) for chosen in self.shuffled(self.training, epoch))

    def quality(self, model: nn.Module) -> float:
        return self.accuracy(model, (self._batch(self.test[at : at + 256]) for at in range(0, len(self.test), 256)))

    def _batch(self, chosen: Sequence[Text]) -> tuple[Tensor, Tensor]:
        words = padded([self.vocabulary.numbers(words) for words, _ in chosen])
        return words, torch.tensor([kind for _, kind in chosen])
