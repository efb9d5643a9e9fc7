"""The one grammar for the values of an axis: `a,b,c`, `first:last:x2`, `first:last:+256`, and their mixtures."""

from __future__ import annotations

import re

from workbench.problem import Problem

MOST_SIZES = 10_000
"""Of one axis: more is a slip of the pen, and would fill the memory before anybody saw it."""
LARGEST = 2**62


def parse_axis(name: str, text: str) -> tuple[int, ...]:
    """Sizes of one axis, in the order written, each once.

    `16,64` is a list; `64:1024:x2` multiplies from first to last; `256:1024:+256` adds.
    Raises Problem for anything else, and for sizes under 1.
    """
    sizes: list[int] = []
    for part in text.split(","):
        sizes += _range(name, part) if ":" in part else [_integer(name, part)]
    for size in sizes:
        if size < 1:
            raise Problem(f"--{name} {text}: {name} = {size} is not a size; sizes start at 1", exit_status=2)
    return tuple(dict.fromkeys(sizes))


def _range(name: str, part: str) -> list[int]:
    pieces = part.split(":")
    if len(pieces) != 3 or pieces[2][:1] not in ("x", "+"):
        raise Problem(f"--{name} {part}: a range is first:last:x2 or first:last:+256", exit_status=2)
    first, last = _integer(name, pieces[0]), _integer(name, pieces[1])
    step = _integer(name, pieces[2][1:])
    multiply = pieces[2][0] == "x"
    if first < 1 or last < first or step < (2 if multiply else 1):
        raise Problem(f"--{name} {part}: a range rises from first (at least 1) to last", exit_status=2)
    if not multiply and (last - first) // step >= MOST_SIZES:
        count = (last - first) // step + 1
        raise Problem(f"--{name} {part}: {count:,} sizes; {MOST_SIZES:,} at most, so take larger steps", exit_status=2)
    sizes = []
    size = first
    while size <= last:
        sizes.append(size)
        size = size * step if multiply else size + step
    return sizes


def _integer(name: str, text: str) -> int:
    # Plain digits alone: int() also takes other scripts' digits, underscores and blanks, which are slips here.
    if not re.fullmatch(r"-?[0-9]{1,30}", text):
        raise Problem(f"--{name} {text}: {text or 'nothing'} is not a whole number", exit_status=2)
    value = int(text)
    if value > LARGEST:
        raise Problem(f"--{name} {text}: larger than any size; {LARGEST} at most", exit_status=2)
    return value
