"""Numbers as ncu writes them under the locale of the machine it ran on.

In most locales commas stand between thousands and a point before the fraction; in others it is the other way round, or
thousands are apart by spaces or apostrophes. Which it is stands in the file: `65,77` can only be a fraction, `1.50`
can only be one with a point. A file that shows both is refused, and never is a number off by a factor of 1,000.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

SPACES = str.maketrans("", "", " \u00a0\u202f\u2009'’")
"""What stands between thousands and is never anything else inside of a number."""
NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*(?:[eE][-+]?\d{1,3})?")
SHOWN = (
    r"[-+]?(?:\d+{f}(?:\d{{1,2}}|\d{{4,}})|\d{{1,3}}(?:{t}\d{{3}})+{f}\d+|0{f}\d+|\d{{1,3}}(?:{t}\d{{3}}){{2,}})"
    r"(?:[eE][-+]?\d+)?"
)
"""A number that can only be read with f before its fraction and t between thousands."""
POINT = re.compile(SHOWN.format(f=r"\.", t=","))
COMMA = re.compile(SHOWN.format(f=",", t=r"\."))


class Fraction(Enum):
    """What stands before the digits of a fraction."""

    POINT = "."
    COMMA = ","
    BOTH = "both"


def fraction_of(texts: Iterable[str]) -> Fraction:
    """What the numbers among the texts show. Where none shows it, a point: ncu writes no three digits behind it, so
    that `1,234` alone is over a thousand."""
    point = comma = False
    for text in texts:
        stripped = text.strip().translate(SPACES)
        point = point or POINT.fullmatch(stripped) is not None
        comma = comma or COMMA.fullmatch(stripped) is not None
        if point and comma:
            return Fraction.BOTH
    return Fraction.COMMA if comma else Fraction.POINT


def number_of(text: str, fraction: Fraction) -> float | None:
    """The number that the text is, or None where it is none. `fraction` is not BOTH."""
    stripped = text.strip().translate(SPACES)
    if not NUMBER.fullmatch(stripped):
        return None
    thousands, before_fraction = (".", ",") if fraction is Fraction.COMMA else (",", ".")
    stripped = stripped.replace(thousands, "").replace(before_fraction, ".")
    try:
        return float(stripped)
    except (ValueError, OverflowError):
        return None
