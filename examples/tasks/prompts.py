"""What a telephone system says: recorded prompts, heard word by word by connectionist temporal classification (CTC).

python -m examples.tasks.prompts --quick --fetch
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import re
import sys
import wave
from collections import Counter
from collections.abc import Iterator
from functools import cache
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
from workbench.tasks.packages import Package, fetched, files_of_deb
from workbench.tasks.task import Goal, Metric

SOUNDS = Package(
    "apt", "asterisk-core-sounds-en-wav", "1.6.1-1", "asterisk-core-sounds-en-wav_1.6.1-1_all.deb",
    "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d", "CC-BY-SA-3.0, by its copyright file", 18.3,
)  # fmt: skip
TEXTS = Package(
    "apt", "asterisk-core-sounds-en", "1.6.1-1", "asterisk-core-sounds-en_1.6.1-1_all.deb",
    "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50", "CC-BY-SA-3.0, by its copyright file", 0.02,
)  # fmt: skip
FOLDER, TRANSCRIPTS = "/sounds/en_US_f_Allison/", "/core-sounds-en.txt.gz"
RATE, WINDOW, HOP, BANDS, TOGETHER = 8000, 200, 80, 40, 3
"""Samples per second, per window (25 ms) and between windows (10 ms); bands of a spectrum, and spectra per frame."""
SPOKEN = {
    "0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven",
    "8": "eight", "9": "nine", "#": "pound", "*": "star",
}  # fmt: skip
LEAST = 2
"""Training prompts that have a word of a tested one: nobody can hear a word that was never said."""
MARGIN = 0.1
"""Of the word error rate, below that of one and the same word."""
Prompt = tuple[Tensor, str]


def spoken(transcript: str) -> str:
    """The words as they are said; none where it describes a sound, or writes what nobody would read so."""
    text = re.sub(r"\[.*?\]|\(.*?\)", " ", transcript.lower())
    text = re.sub(r"(?<!\S)[0-9#*](?=[\s,.]|$)", lambda found: SPOKEN[found[0]], text)
    return "" if re.search(r"[0-9#*]", text) else " ".join(re.findall(r"[a-z']+", text))


def mel_bands() -> Tensor:
    """(frequencies, BANDS): triangles that are equally wide on the mel scale (2595 log10(1 + f / 700))."""
    edges = 700 * (10 ** (torch.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), BANDS + 2) / 2595) - 1)
    at = torch.linspace(0, RATE / 2, 129)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    return torch.minimum((at - low) / (middle - low), (high - at) / (high - middle)).clamp(min=0)


def frames_of(sound: bytes) -> Tensor:
    """(T, BANDS * TOGETHER) logarithms of the energy in bands of a WAV file's spectra, some of them per frame."""
    with wave.open(io.BytesIO(sound)) as file:
        if (file.getframerate(), file.getsampwidth(), file.getnchannels()) != (RATE, 2, 1):
            raise ValueError(f"no {RATE} Hz mono recording of 16 bits")
        samples = torch.from_numpy(np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32))
    spectra = torch.stft(samples / 2**15, 256, HOP, WINDOW, torch.hann_window(WINDOW), return_complex=True)
    energies = (spectra.abs().square().T @ mel_bands() + 1e-6).log()
    return energies[: len(energies) // TOGETHER * TOGETHER].reshape(-1, TOGETHER * BANDS)


@cache
def prompts(sounds: Path, texts: Path, longest: float) -> list[Prompt]:
    """(frames, words) of each prompt of up to `longest` seconds that has words, normalised over all of them."""
    with reading(texts, "corrupt, not the transcripts", "remove it and fetch it again"):
        (packed,) = (content for name, content in files_of_deb(texts) if name.endswith(TRANSCRIPTS))
        lines = gzip.decompress(packed).decode("latin-1").splitlines()
        said = {name: spoken(text) for name, _, text in (line.partition(":") for line in lines)}
    found = []
    with reading(sounds, "corrupt, not the prompts", "remove it and fetch it again"):
        for name, content in files_of_deb(sounds):
            words = said.get(name.partition(FOLDER)[2].removesuffix(".wav"), "")
            if words and len(content) <= 2 * RATE * longest:
                found.append((frames_of(content), words))
        every = torch.cat([frames for frames, _ in found])
        mean, std = every.mean(0), every.std(0)
    return sorted((((x - mean) / std, words) for x, words in found), key=lambda prompt: (prompt[1], len(prompt[0])))


def held_out(texts: set[str]) -> set[str]:
    """Up to a fifth of the texts, by chance, each of whose words LEAST others that are not among them have."""
    left = Counter(word for text in texts for word in set(text.split()))
    chosen: set[str] = set()
    for text in random.Random(0).sample(sorted(texts), len(texts)):
        own = set(text.split())
        if len(chosen) < len(texts) // 5 and all(left[word] > LEAST for word in own):
            chosen.add(text)
            left.subtract(own)
    return chosen


class Prompts(Base):
    name = "prompts"
    metric = Metric("word error rate", "%", lower_is_better=True)
    QUICK = {
        "epochs": 14, "batch": 8, "width": 64, "layers": 2, "pooled": 8, "longest": 5.0, "learning_rate": 1e-2,
    }  # fmt: skip
    FULL = {
        "epochs": 60, "batch": 16, "width": 256, "layers": 3, "pooled": 6, "longest": 16.0, "learning_rate": 2e-3,
    }  # fmt: skip

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        found = prompts(*(fetched(package, chosen.fetch) for package in (SOUNDS, TEXTS)), self.settings["longest"])
        apart = held_out({words for _, words in found})  # a text that was recorded twice is on one side
        self.test = [prompt for prompt in found if prompt[1] in apart]
        self.training = [prompt for prompt in found if prompt[1] not in apart]
        self.words = sorted({word for _, words in self.training for word in words.split()})
        self.number = {word: place for place, word in enumerate(self.words)}
        self.steps = len(self.training) // int(self.settings["batch"])
        counts = {"prompts": len(found), "words": len(self.words), "frames": sum(len(x) for x, _ in found)}
        self.data = [SOUNDS.source() | counts, TEXTS.source()]
        said = Counter(word for _, words in self.test for word in words.split())
        trivial = 1 - said.most_common(1)[0][1] / said.total()
        self.goal = Goal(trivial, "the most frequent word, as often as words were said", trivial - MARGIN)

    def model(self, more_layers: int = 0) -> nn.Module:
        s, features = self.settings, self.training[0][0].shape[1]
        return Listener(
            self.subject, features, len(self.words), int(s["width"]), int(s["layers"]) + more_layers, int(s["pooled"])
        )

    def batches(self, epoch: int) -> Iterator[Heard]:
        return (self._batch(chosen) for chosen in self.shuffled(self.training, epoch))

    def _batch(self, chosen: list[Prompt]) -> Heard:
        return heard([(frames, [self.number[word] for word in words.split()]) for frames, words in chosen])

    def loss(self, model: nn.Module, batch: Heard) -> Tensor:
        return hearing.loss(model, batch)

    def quality(self, model: nn.Module) -> float:
        paths = hearing.likeliest(model, self._batch(self.test))
        return word_error_rate(
            [words for _, words in self.test], [" ".join(self.words[number] for number in path) for path in paths]
        )


if __name__ == "__main__":
    sys.exit(main([Prompts], __doc__ or ""))
