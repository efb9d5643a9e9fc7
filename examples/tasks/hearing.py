"""What the tasks of speech share: recordings side by side, the model, and connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from examples.tasks.base import device_of
from examples.tasks.cells import Stack


@dataclass(frozen=True)
class Heard:
    """Recordings: frames (B, T, features) with 0 behind each, how many each has, and the numbers of what was said."""

    frames: Tensor
    lengths: Tensor
    said: list[list[int]]


def heard(recordings: Sequence[tuple[Tensor, list[int]]]) -> Heard:
    """Of (frames (T, features), what was said) each."""
    frames = [x for x, _ in recordings]
    return Heard(
        nn.utils.rnn.pad_sequence(frames, True), torch.tensor([len(x) for x in frames]), [y for _, y in recordings]
    )


class Listener(nn.Module):
    """A product of each frame, the stack, and logits of so many symbols and, as the last, of none: one set of logits
    for `pooled` frames, of the largest of each channel in them."""

    def __init__(self, cell: str, features: int, symbols: int, width: int, layers: int, pooled: int = 1) -> None:
        super().__init__()
        self.pooled = pooled
        self.embedding = nn.Linear(features, width)
        self.stack = Stack(cell, width, layers, dropout=0.1)
        self.head = nn.Linear(width, symbols + 1)
        self.embeddings, self.stacks = [self.embedding], [self.stack]

    def forward(self, frames: Tensor) -> Tensor:
        y = self.stack(self.embedding(frames))
        return self.head(y if self.pooled == 1 else F.max_pool1d(y.transpose(1, 2), self.pooled).transpose(1, 2))


def loss(model: Listener, batch: Heard) -> Tensor:
    """Over all ways in which the frames may give what was said (Graves et al. 2006, connectionist temporal
    classification)."""
    logits = model(batch.frames.to(device_of(model))).log_softmax(-1).transpose(0, 1)
    targets = torch.tensor([symbol for said in batch.said for symbol in said], device=logits.device)
    counts = torch.tensor([len(said) for said in batch.said])
    lengths = batch.lengths // model.pooled
    return F.ctc_loss(logits, targets, lengths, counts, blank=logits.shape[-1] - 1, zero_infinity=True)


def likeliest(model: Listener, batch: Heard) -> Iterator[list[int]]:
    """Of each recording the symbols of the likeliest path: the largest logit of each frame, repetitions once."""
    logits = model(batch.frames.to(device_of(model))).cpu()
    for path, length in zip(logits.argmax(-1), batch.lengths // model.pooled, strict=True):
        yield [int(symbol) for symbol in path[:length].unique_consecutive() if symbol != logits.shape[-1] - 1]
