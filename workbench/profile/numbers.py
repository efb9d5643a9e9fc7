"""Numbers as ncu writes them under the locale of the machine it ran on.

In most locales commas stand between thousands and a point before the fraction; in others it is the other way round, or
thousands are apart by spaces or apostrophes. Which it is stands in the file: `65,77` can only be a fraction, `1.50`
can only be one with a point. A file that shows both, or that leaves it open, is refused: never is a number off by a
factor of 1,000.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

APART = " \u00a0\u202f\u2009'’"
"""What stands between thousands and is never anything else inside of a number."""
NOTHING = re.compile(
    r"(?:\(!\)\s*)?(?:n/a|\(?[-+]?nan(?:\(\w*\))?\)?|[-+]?inf(?:inity)?|[-+]?1\.#(?:qnan|snan|ind|inf)\d*|no data)?",
    re.IGNORECASE,
)


class Fraction(Enum):
    """What stands before the digits of a fraction."""

    POINT = "."
    COMMA = ","
    BOTH = "both"
    OPEN = "open"
    """The file has nothing but numbers like `117.344`."""


def _as(fraction: str, thousands: str) -> re.Pattern[str]:
    """A number with these signs; in India thousands are followed by groups of two."""
    between = f"[{thousands}{APART}]"
    whole = rf"(?:\d+|\d{{1,3}}(?:{between}\d{{2,3}})*{between}\d{{3}})"
    return re.compile(rf"[-+]?(?:{whole}(?:[{fraction}]\d*)?|[{fraction}]\d+)(?:[eE][-+]?\d{{1,3}})?")


def _only_as(fraction: str, thousands: str) -> str:
    """A number that can be read with these signs alone."""
    f, t = f"[{fraction}]", f"[{thousands}]"
    forms = (
        rf"\d+{f}(?:\d{{1,2}}|\d{{4,}})", rf"(?:0|\d{{4,}}){f}\d+", rf"\d{{1,3}}(?:{t}\d{{3}})+{f}\d+",
        rf"\d{{1,3}}(?:[{APART}]\d{{3}})+{f}\d+", rf"\d{{1,3}}(?:{t}\d{{3}}){{2,}}",
    )  # fmt: skip
    return rf"[-+]?(?:{'|'.join(forms)})(?:[eE][-+]?\d+)?"


READ_AS = {Fraction.POINT: _as(".", ","), Fraction.COMMA: _as(",", ".")}
REMOVED = {Fraction.POINT: str.maketrans("", "", APART + ","), Fraction.COMMA: str.maketrans(",", ".", APART + ".")}
SHOWN = re.compile(
    rf"(?P<point>{_only_as('.', ',')})|(?P<comma>{_only_as(',', '.')})|(?P<spaced>[-+]?\d{{1,3}}(?:[{APART}]\d{{3}})+)|"
    r"(?P<open_point>[-+]?\d{1,3}\.\d{3})|(?P<open_comma>[-+]?\d{1,3},\d{3})"
)
"""What a number shows of its locale; the last two are a thousand and more, or a fraction of three digits."""


def fraction_of(texts: Iterable[str]) -> Fraction:
    """What the numbers among the texts show.

    Where nothing shows it, `1,234` is over a thousand, since ncu writes no three digits behind a comma; for the same
    reason `1.234` alone is either a thousand of another locale or nothing of ncu's, and stays open.
    """
    shown: set[str | None] = set()
    for text in texts:
        if not text.isdecimal():
            number = SHOWN.fullmatch(bare(text))
            if number:
                shown.add(number.lastgroup)
                if {"point", "comma"} <= shown:
                    return Fraction.BOTH
    if "point" in shown or "comma" in shown:
        return Fraction.POINT if "point" in shown else Fraction.COMMA
    if {"open_point", "open_comma"} <= shown:
        return Fraction.BOTH
    if "spaced" in shown:  # what is no sign between thousands stands before a fraction
        return Fraction.COMMA if "open_comma" in shown else Fraction.POINT
    return Fraction.OPEN if "open_point" in shown else Fraction.POINT


def number_of(text: str, fraction: Fraction) -> float | None:
    """The number that the text is, or None where it is none. `fraction` is POINT or COMMA."""
    text = bare(text)
    if text.isdecimal() and len(text) < 16:
        return float(text)
    if not READ_AS[fraction].fullmatch(text):
        return None
    try:
        return float(text.translate(REMOVED[fraction]))
    except (ValueError, OverflowError):
        return None


def is_nothing(text: str) -> bool:
    """Whether the text says that there is no value."""
    return NOTHING.fullmatch(text.strip()) is not None


def bare(text: str) -> str:
    """The text without the values of instances that may stand behind it: `10 (4; 6)`."""
    stripped = text.strip()
    return stripped.partition(" (")[0].rstrip() if stripped.endswith(")") else stripped
