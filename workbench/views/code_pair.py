"""Two texts of code line by line beside each other: what stands in both, what in one alone, and each line's count."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.views.machine_code import Line

ALIKE = 0.6
"""Of two lines' characters that must agree for them to be one line that was changed."""
MOST_LOOKED_AT = 4000
"""Pairs of lines that are held against each other: stretches with more of them are other code altogether."""
AROUND = 3
"""Lines that are shown before and after one that differs."""
_PREDICATE = re.compile(r"^@!?U?P[0-9T]+\s+")


@dataclass(frozen=True)
class CodeLine:
    """A line of a source or of machine code."""

    number: int
    """From 1; of machine code the place among its instructions."""
    text: str
    count: int = 0
    """Machine instructions that came of it; 0 where none did, and of machine code itself."""


@dataclass(frozen=True)
class PairedLine:
    """A line of each side, or of one alone."""

    a: CodeLine | None
    b: CodeLine | None
    differs: bool
    """What they say is not the same."""

    @property
    def is_told(self) -> bool:
        """It differs in its text, or in how many instructions came of it."""
        return self.differs or self.a is None or self.b is None or self.a.count != self.b.count


def source_code(source: Path, lines: Iterable[Line]) -> list[CodeLine]:
    """The lines of a source with what a kernel's machine code has of each."""
    counts = Counter(line.line for line in lines if line.file is not None and line.file.name == source.name)
    texts = source.read_text().splitlines()
    return [CodeLine(number, text, counts[number]) for number, text in enumerate(texts, start=1)]


def machine_code(lines: Iterable[Line]) -> list[CodeLine]:
    """The instructions of a kernel."""
    return [CodeLine(number, line.text) for number, line in enumerate(lines, start=1)]


def written(line: CodeLine) -> str:
    """What a source line says, whatever its spaces."""
    return " ".join(line.text.split())


def operation(line: CodeLine) -> str:
    """What an instruction does, without its registers and addresses: a compiler names those anew after every change."""
    return _PREDICATE.sub("", line.text).partition(" ")[0]


def paired(a: Sequence[CodeLine], b: Sequence[CodeLine], says: Callable[[CodeLine], str]) -> list[PairedLine]:
    """Both texts from top to bottom: lines that say the same beside each other, and those between them side by side as
    far as they go."""
    matcher = difflib.SequenceMatcher(None, [says(line) for line in a], [says(line) for line in b], autojunk=False)
    found: list[PairedLine] = []
    for word, first_a, last_a, first_b, last_b in matcher.get_opcodes():
        own, other = a[first_a:last_a], b[first_b:last_b]
        if word == "equal":
            found += [PairedLine(one, two, False) for one, two in zip(own, other, strict=True)]
        else:
            found += _beside(own, other, says)
    return found


def _beside(a: Sequence[CodeLine], b: Sequence[CodeLine], says: Callable[[CodeLine], str]) -> list[PairedLine]:
    """Lines of which none says the same: the two most alike beside each other, and so on above and below them; where
    none are alike, side by side as far as they go."""
    if 0 < len(a) * len(b) <= MOST_LOOKED_AT:
        alike, place, at = max(
            (difflib.SequenceMatcher(None, says(one), says(two)).ratio(), -place, -at)
            for place, one in enumerate(a)
            for at, two in enumerate(b)
        )
        if alike > ALIKE:
            place, at = -place, -at
            pair = PairedLine(a[place], b[at], True)
            return [*_beside(a[:place], b[:at], says), pair, *_beside(a[place + 1 :], b[at + 1 :], says)]
    return [PairedLine(one, two, True) for one, two in itertools.zip_longest(a, b)]


def told(rows: Sequence[PairedLine], around: int = AROUND) -> list[PairedLine | int]:
    """The rows that differ with those around them; in place of each stretch left out, how many rows it has."""
    shown = [False] * len(rows)
    for place, row in enumerate(rows):
        if row.is_told:
            first = max(0, place - around)
            shown[first : place + around + 1] = [True] * len(shown[first : place + around + 1])
    found: list[PairedLine | int] = []
    for row, is_shown in zip(rows, shown, strict=True):
        if is_shown:
            found.append(row)
        elif found and isinstance(found[-1], int):
            found[-1] += 1
        else:
            found.append(1)
    return found
