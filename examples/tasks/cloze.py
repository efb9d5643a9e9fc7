"""Questions with a gap: sentences of the Brown corpus, the next one with a noun left out, ten nouns to choose from.

python -m examples.tasks.cloze --quick --fetch
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import ChainMap, Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from examples.tasks.base import Base
from examples.tasks.cells import Stack
from examples.tasks.command import main
from examples.tasks.texts import BROWN, PADDING, UNKNOWN, Sentence, Vocabulary, brown
from workbench.tasks.packages import fetched
from workbench.tasks.task import Goal, Metric

CANDIDATES = 10
GAP = "<gap>"
END = 2
"""The number of what stands between the question and the sentences."""
MOST_COUNTED = 8
"""A word that stands there more often counts as one that stands there so often."""
MARGIN = 0.03
"""Of accuracy, above the candidate that is most frequent among the sentences."""


@dataclass(frozen=True)
class Question:
    words: tuple[str, ...]
    """The sentences before the one with the gap."""
    asked: tuple[str, ...]
    """The one with the gap."""
    candidates: tuple[str, ...]
    answer: int

    def most_frequent(self) -> int:
        counts = Counter(self.words)
        return max(range(CANDIDATES), key=lambda place: counts[self.candidates[place]])


@dataclass(frozen=True)
class Asked:
    """A question in numbers."""

    inputs: Tensor
    """(CANDIDATES + T, 2): the candidates, the question, END and the sentences, and what is seen of each place."""
    answer: int
    is_most_frequent: bool
    """Whether the answer is the candidate that is most frequent among the sentences."""


def questions(document: list[Sentence], sentences: int, stride: int, draw: random.Random) -> Iterator[Question]:
    """After the recipe of the Children's Book Test: the answer is one of the nouns of the sentences before."""
    for at in range(sentences, len(document), stride):
        before = [pair for sentence in document[at - sentences : at] for pair in sentence]
        nouns = sorted({word for word, tag in before if tag.startswith(("nn", "np")) and word.isalpha()})
        gaps = [place for place, (word, _) in enumerate(document[at]) if word in nouns]
        if not gaps or len(nouns) < CANDIDATES:
            continue
        gap = draw.choice(gaps)
        answer = document[at][gap][0]
        asked = [GAP if word == answer else word for word, _ in document[at]]
        chosen = draw.sample([noun for noun in nouns if noun != answer], CANDIDATES - 1)
        candidates = sorted([*chosen, answer])
        yield Question(tuple(word for word, _ in before), tuple(asked), tuple(candidates), candidates.index(answer))


class Reader(nn.Module):
    """The question and then the sentences through the stack. A candidate's logit is the logarithm of the sum of the
    exponentials of the scores of the places where it stands (attention sum, arXiv 1603.01547), plus how well its own
    embedding suits the question."""

    def __init__(self, cell: str, words: int, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width, padding_idx=PADDING)
        self.features = nn.Embedding(4 * MOST_COUNTED, width)
        self.stack = Stack(cell, width, layers, dropout=0.1)
        self.score = nn.Linear(width, 1)
        self.asked_of_places = nn.Linear(width, width)
        self.asked_of_words = nn.Linear(width, width)
        self.scale = width**-0.5
        self.embeddings, self.stacks = [self.embedding, self.features], [self.stack]

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, CANDIDATES + T, 2) words and what is seen of each, the candidates first → (B, CANDIDATES)."""
        candidates, words, seen = inputs[:, :CANDIDATES, 0], inputs[:, CANDIDATES:, 0], inputs[:, CANDIDATES:, 1]
        end = (words == END).int().argmax(1)
        states = self.stack(self.embedding(words) + self.features(seen))
        question = states[torch.arange(len(words), device=words.device), end][:, :, None] * self.scale
        scores = self.score(states).squeeze(-1) + (self.asked_of_places(states) @ question).squeeze(-1)
        at = candidates[:, :, None] == words[:, None, :]
        suits = (self.asked_of_words(self.embedding(candidates)) @ question).squeeze(-1)
        return scores[:, None, :].masked_fill(~at, -30.0).logsumexp(-1) + suits


def glanced(candidates: list[int], asked: list[int], words: list[int]) -> list[int]:
    """What a reader sees of each place of a text at a glance, as in DrQA (arXiv 1704.00051): whether the question has
    its word, whether it is a candidate, how often it stands there."""
    text = [*asked, END, *words]
    counts, of_question, offered = Counter(text), set(asked), set(candidates)
    return [4 * (min(counts[word], MOST_COUNTED) - 1) + 2 * (word in of_question) + (word in offered) for word in text]


@cache
def prepared(archive: Path, sentences: int, stride: int, most: int) -> tuple[list[Asked], list[Asked], Vocabulary]:
    """Questions for tests, of every fifth document, and for training, in numbers; the words of the latter. All cells
    and seeds of a run have the same."""
    made = random.Random(0)
    found = [list(questions(document, sentences, stride, made)) for document in brown(archive)]
    test = [q for of_one in found[::5] for q in of_one]
    training = [q for place, of_one in enumerate(found) if place % 5 for q in of_one]
    vocabulary = Vocabulary((q.asked + q.words for q in training), most, first=3)
    return [in_numbers(q, vocabulary) for q in test], [in_numbers(q, vocabulary) for q in training], vocabulary


def in_numbers(question: Question, vocabulary: Vocabulary) -> Asked:
    """A candidate that the vocabulary lacks gets a number of its own in the question."""
    lacking = [word for word in question.candidates if word not in vocabulary.number]
    own = {word: len(vocabulary) + place for place, word in enumerate(lacking)}
    numbers = ChainMap(own, vocabulary.number)
    candidates, asked, words = (
        [numbers.get(word, UNKNOWN) for word in text] for text in (question.candidates, question.asked, question.words)
    )
    seen = [0] * CANDIDATES + glanced(candidates, asked, words)
    inputs = torch.tensor([[*candidates, *asked, END, *words], seen], dtype=torch.int32).T
    return Asked(inputs, question.answer, question.most_frequent() == question.answer)


class Cloze(Base):
    name = "cloze"
    metric = Metric("accuracy", "%")
    QUICK = {
        "epochs": 2, "batch": 32, "width": 64, "layers": 1, "sentences": 6, "stride": 7, "words": 4000,
        "learning_rate": 4e-3,
    }  # fmt: skip
    FULL = {
        "epochs": 6, "batch": 32, "width": 128, "layers": 2, "sentences": 20, "stride": 1, "words": 20000,
        "learning_rate": 1e-3,
    }  # fmt: skip

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        chosen_words = (int(self.settings[name]) for name in ("sentences", "stride", "words"))
        self.test, self.training, self.vocabulary = prepared(fetched(BROWN, chosen.fetch), *chosen_words)
        self.steps = len(self.training) // int(self.settings["batch"])
        self.data = [BROWN.source() | {"questions": len(self.test) + len(self.training)}]
        frequent = sum(q.is_most_frequent for q in self.test) / len(self.test)
        self.goal = Goal(frequent, "the most frequent candidate", frequent + MARGIN)

    def model(self, more_layers: int = 0) -> nn.Module:
        s = self.settings
        return Reader(self.subject, len(self.vocabulary) + CANDIDATES, int(s["width"]), int(s["layers"]) + more_layers)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        return (self._batch(chosen) for chosen in self.shuffled(self.training, epoch))

    def _batch(self, chosen: list[Asked]) -> tuple[Tensor, Tensor]:
        inputs = nn.utils.rnn.pad_sequence([q.inputs for q in chosen], True, PADDING)
        return inputs, torch.tensor([q.answer for q in chosen])

    def quality(self, model: nn.Module) -> float:
        return self.accuracy(model, (self._batch(self.test[at : at + 64]) for at in range(0, len(self.test), 64)))


if __name__ == "__main__":
    sys.exit(main([Cloze], __doc__ or ""))
