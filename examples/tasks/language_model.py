"""The next word: a language model of the Brown corpus, and the same model read in pieces with its state carried on.

python -m examples.tasks.language_model --quick --fetch
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from examples.tasks.base import Base, device_of, in_pieces
from examples.tasks.cells import Stack
from examples.tasks.command import main
from examples.tasks.texts import BROWN, Vocabulary, brown
from workbench.tasks.packages import fetched
from workbench.tasks.task import Goal, Metric

SHARE = 0.95
"""Of the unigrams' perplexity, at most."""
PIECE = 100
"""Words of a piece, where a text is read in pieces: no multiple of any kernel's tile."""


class LanguageModel(nn.Module):
    """Embedding, the stack, and the embedding again as the weights of the logits."""

    def __init__(self, cell: str, words: int, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.stack = Stack(cell, width, layers, dropout=0.1)
        self.bias = nn.Parameter(torch.zeros(words))
        self.embeddings, self.stacks = [self.embedding], [self.stack]

    def forward(self, words: Tensor) -> Tensor:
        return F.linear(self.stack(self._embedded(words)), self.embedding.weight, self.bias)

    def go_on(self, words: Tensor, states: list[Any]) -> Tensor:
        return F.linear(self.stack.go_on(self._embedded(words), states), self.embedding.weight, self.bias)

    def _embedded(self, words: Tensor) -> Tensor:
        return self.embedding(words) * self.embedding.embedding_dim**0.5


class Brown(Base):
    name = "language_model"
    metric = Metric("perplexity", lower_is_better=True)
    QUICK = {
        "epochs": 3, "steps": 60, "batch": 16, "length": 48, "width": 64, "layers": 1, "words": 2000, "tested": 8000,
        "learning_rate": 1e-2,
    }  # fmt: skip
    FULL = {
        "epochs": 12, "steps": 500, "batch": 32, "length": 64, "width": 256, "layers": 2, "words": 20000,
        "tested": 100_000, "learning_rate": 2e-3,
    }  # fmt: skip

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        self.steps = int(self.settings["steps"])
        documents = [[w for s in document for w, _ in s] for document in brown(fetched(BROWN, chosen.fetch))]
        texts = [text for place, text in enumerate(documents) if place % 10]
        self.vocabulary = Vocabulary(texts, int(self.settings["words"]))
        self.training = torch.tensor(self.vocabulary.numbers(list(chain(*texts))))
        tested = list(chain(*documents[::10]))[: int(self.settings["tested"])]
        self.test = torch.tensor(self.vocabulary.numbers(tested))
        self.data = [BROWN.source() | {"documents": len(documents), "words": sum(map(len, documents))}]
        unigrams = self._unigrams()
        self.goal = Goal(unigrams, "how frequent each word is", SHARE * unigrams)

    def _unigrams(self) -> float:
        counts = Counter(self.training.tolist())
        total = len(self.training) + len(self.vocabulary)  # each once more, so that none is impossible
        return math.exp(-sum(math.log((counts[w] + 1) / total) for w in self.test.tolist()) / len(self.test))

    def model(self, more_layers: int = 0) -> nn.Module:
        s = self.settings
        return LanguageModel(self.subject, len(self.vocabulary), int(s["width"]), int(s["layers"]) + more_layers)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        random = torch.Generator().manual_seed(1000 * self.seed + epoch)
        length, batch = int(self.settings["length"]), int(self.settings["batch"])
        for _ in range(self.steps):
            first = torch.randint(len(self.training) - length, (batch, 1), generator=random)
            words = self.training[first + torch.arange(length + 1)]
            yield words[:, :-1], words[:, 1:]

    def quality(self, model: nn.Module) -> float:
        """Perplexity of the test text, read as one sequence in pieces: the state is carried on all the way."""
        states: list[Any] = []
        total, words = 0.0, self.test.to(device_of(model))[None]
        for first in range(0, words.shape[1] - 1, 1000):
            piece = words[:, first : first + 1001]
            logits = model.go_on(piece[:, :-1], states)
            total += float(F.cross_entropy(logits[0], piece[0, 1:], reduction="sum"))
        return math.exp(total / (words.shape[1] - 1))

    def more(self, model: nn.Module) -> Mapping[str, float]:
        """The largest difference of any logit between the text read whole and in pieces, over the largest logit."""
        return {"difference in pieces": in_pieces(model, self.test[:1024].to(device_of(model))[None], PIECE)}


if __name__ == "__main__":
    sys.exit(main([Brown], __doc__ or ""))
