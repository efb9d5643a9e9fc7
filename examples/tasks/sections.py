"""Which section of a distribution a package is in (games, libs, python …), by the words of its description.

python -m examples.tasks.sections --quick --fetch
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from functools import cache
from pathlib import Path

from examples.tasks.classification import Classification, Text
from examples.tasks.command import main
from examples.tasks.texts import described_in, descriptions
from workbench.foreign import reading
from workbench.tasks.packages import IndexText

ENGLISH = described_in("en")
INDEX = IndexText("package-index", ENGLISH.languages, "*_main_binary-*_Packages*", "free, as the packages")
MARGIN = 0.2
"""Of accuracy, above the most frequent section."""


def packages(path: Path) -> dict[str, tuple[str, str]]:
    """What identifies a description → (source package, section) of the first package that has it."""
    found: dict[str, tuple[str, str]] = {}
    with reading(path, "corrupt, not the index of packages", "remove it and fetch it again"):
        for stanza in path.read_text().split("\n\n"):
            fields = dict(re.findall(r"^(Package|Source|Section|Description-md5): (\S+)", stanza, re.MULTILINE))
            if "Section" in fields and "Description-md5" in fields:
                source = fields.get("Source", fields["Package"])
                found.setdefault(fields["Description-md5"], (source, fields["Section"].rpartition("/")[2]))
    return found


@cache
def texts(index: Path, english: Path, length: int, most: int) -> tuple[list[Text], list[Text], list[str]]:
    """(first words of a description, number of its section) for tests and for training, and the sections.

    Of a fifth of the sources all packages are for tests: those of one source say much the same."""
    said, of = descriptions(english), packages(index)
    sections = sorted({section for _, section in of.values()})
    sources = sorted({source for source, _ in of.values()})
    apart = set(random.Random(0).sample(sources, len(sources) // 5))
    both: tuple[dict[tuple[str, ...], int], ...] = ({}, {})
    for key, (source, section) in sorted(of.items()):
        words = tuple(re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]", " ".join(said.get(key, ())).lower())[:length])
        if words:
            both[source not in apart].setdefault(words, sections.index(section))
    training = [(list(words), kind) for words, kind in both[1].items()]
    test = [(list(words), kind) for words, kind in both[0].items() if words not in both[1]]
    return test[: most // 5], training[: most - most // 5], sections


class Sections(Classification):
    name = "sections"
    QUICK = {
        "epochs": 3, "batch": 64, "width": 64, "layers": 1, "words": 6000, "length": 40, "most": 10000,
        "learning_rate": 4e-3,
    }  # fmt: skip
    FULL = {
        "epochs": 8, "batch": 64, "width": 192, "layers": 2, "words": 30000, "length": 200, "most": 100000,
        "learning_rate": 1e-3,
    }  # fmt: skip

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        (index, first), (english, second) = (text.fetched(chosen.fetch) for text in (INDEX, ENGLISH))
        test, training, sections = texts(index, english, int(self.settings["length"]), int(self.settings["most"]))
        self.split(test, training, len(sections), MARGIN)
        self.data = [first | {"sections": len(sections)}, second | {"descriptions": len(test) + len(training)}]


if __name__ == "__main__":
    sys.exit(main([Sections], __doc__ or ""))
