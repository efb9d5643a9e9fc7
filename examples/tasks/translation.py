"""English to German: sentences of package descriptions, which Debian's translators have put side by side.

python -m examples.tasks.translation --quick --fetch
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from examples.tasks.base import Base, device_of
from examples.tasks.cells import Stack
from examples.tasks.command import main
from examples.tasks.measures import bleu
from examples.tasks.texts import PADDING, UNKNOWN, Vocabulary, described_in, descriptions, padded
from workbench.tasks.task import Goal, Metric

ENGLISH, GERMAN = described_in("en"), described_in("de")
BEGIN, END = 2, 3
MARGIN = 1.0
"""Of BLEU, above the English sentence left as it is."""
Pair = tuple[list[str], list[str]]


@cache
def pairs(english: Path, german: Path, longest: int) -> list[Pair]:
    """Sentences side by side, each pair once: where as many paragraphs, and in them as many sentences, are in both."""
    one, two = descriptions(english), descriptions(german)
    found: dict[tuple[str, str], None] = {}
    for key in two:
        for a, b in zip(one.get(key, ()), two[key], strict=False) if len(one.get(key, ())) == len(two[key]) else ():
            sentences = [re.split(r"(?<=[.!?]) (?=[A-ZÄÖÜ])", text) for text in (a, b)]
            if len(sentences[0]) == len(sentences[1]):
                found.update(dict.fromkeys((e, g) for e, g in zip(*sentences, strict=True) if e != g))
    cut = [(re.findall(r"\w+|[^\w\s]", e), re.findall(r"\w+|[^\w\s]", g)) for e, g in sorted(found)]
    kept = [(e, g) for e, g in cut if 3 <= len(e) <= longest and 3 <= len(g) <= longest]
    random.Random(0).shuffle(kept)
    return kept


class Translator(nn.Module):
    """A stack over the English words and one over the German ones so far, each of whose states looks at the English
    ones (dot products); both together give the next word."""

    def __init__(self, cell: str, words: tuple[int, int], width: int, layers: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(count, width, PADDING) for count in words)
        self.stacks = nn.ModuleList(Stack(cell, width, layers, dropout=0.1) for _ in words)
        self.both = nn.Linear(2 * width, width)
        self.bias = nn.Parameter(torch.zeros(words[1]))
        for embedding in self.embeddings:
            nn.init.normal_(embedding.weight, std=width**-0.5)

    def read(self, english: Tensor) -> Tensor:
        return self.stacks[0](self._embedded(0, english))

    def forward(self, english: Tensor, german: Tensor) -> Tensor:
        return self.say(english, self.read(english), self.stacks[1](self._embedded(1, german)))[0]

    def go_on(self, english: Tensor, read: Tensor, german: Tensor, states: list[Any]) -> tuple[Tensor, Tensor]:
        return self.say(english, read, self.stacks[1].go_on(self._embedded(1, german), states))

    def say(self, english: Tensor, read: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the next words, and where each of them looks."""
        scores = said @ read.transpose(1, 2) * read.shape[-1] ** -0.5
        looks = scores.masked_fill((english == PADDING)[:, None, :], -1e9).softmax(-1)
        y = torch.tanh(self.both(torch.cat([said, looks @ (read + self._embedded(0, english))], -1)))
        return F.linear(y, self.embeddings[1].weight, self.bias), looks

    def _embedded(self, side: int, words: Tensor) -> Tensor:
        return self.embeddings[side](words) * self.embeddings[side].embedding_dim ** 0.5


class Translation(Base):
    name = "translation"
    metric = Metric("BLEU")
    QUICK = {
        "epochs": 3, "steps": 110, "batch": 16, "width": 64, "layers": 1, "words": 2500, "longest": 12, "tested": 200,
        "learning_rate": 8e-3,
    }  # fmt: skip
    FULL = {
        "epochs": 20, "steps": 1000, "batch": 32, "width": 256, "layers": 2, "words": 20000, "longest": 40,
        "tested": 1000, "learning_rate": 2e-3,
    }  # fmt: skip

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        (english, first), (german, second) = (text.fetched(chosen.fetch) for text in (ENGLISH, GERMAN))
        found = pairs(english, german, int(self.settings["longest"]))
        tested = min(int(self.settings["tested"]), len(found) // 5)
        self.test, self.training = found[:tested], found[tested:]
        self.vocabularies = tuple(
            Vocabulary((pair[side] for pair in self.training), int(self.settings["words"]), first=4) for side in (0, 1)
        )
        self.steps = min(int(self.settings["steps"]), len(self.training) // int(self.settings["batch"]))
        self.data = [first | {"pairs": len(found)}, second]
        trivial = bleu([" ".join(g) for _, g in self.test], [" ".join(e) for e, _ in self.test])
        self.goal = Goal(trivial, "the English sentence as it is", trivial + MARGIN)

    def model(self, more_layers: int = 0) -> nn.Module:
        s, words = self.settings, tuple(map(len, self.vocabularies))
        return Translator(self.subject, words, int(s["width"]), int(s["layers"]) + more_layers)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        return (self._batch(chosen) for chosen in self.shuffled(self.training, epoch))

    def _batch(self, chosen: list[Pair]) -> tuple[Tensor, Tensor]:
        english = padded([self.vocabularies[0].numbers(e) for e, _ in chosen])
        return english, padded([[BEGIN, *self.vocabularies[1].numbers(g), END] for _, g in chosen])

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        english, german = (x.to(device_of(model)) for x in batch)
        logits = model(english, german[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1), german[:, 1:].flatten(), ignore_index=PADDING)

    def quality(self, model: nn.Module) -> float:
        """BLEU of the likeliest word at every step; one that the vocabulary lacks is the English word looked at."""
        said = [text for at in range(0, len(self.test), 100) for text in self._said(model, self.test[at : at + 100])]
        return bleu([" ".join(g) for _, g in self.test], said)

    def _said(self, model: Translator, chosen: list[Pair]) -> list[str]:
        english = self._batch(chosen)[0].to(device_of(model))
        read, states, texts = model.read(english), [], [[] for _ in chosen]
        word = torch.full((len(chosen), 1), BEGIN, device=english.device)
        for _ in range(int(self.settings["longest"]) + 1):
            logits, looks = model.go_on(english, read, word, states)
            word, at = logits.argmax(-1), looks.argmax(-1)
            for text, (source, _), number, place in zip(texts, chosen, word[:, 0], at[:, 0], strict=True):
                text.append(source[int(place)] if number == UNKNOWN else self.vocabularies[1].words[int(number)])
        ends = [text.index("") if "" in text else len(text) for text in texts]  # END has no word
        return [" ".join(text[:end]) for text, end in zip(texts, ends, strict=True)]


if __name__ == "__main__":
    sys.exit(main([Translation], __doc__ or ""))
