"""Units as ncu writes them, brought to base units: seconds, bytes, hertz, plain counts.

A report holds base units already (apart from nanoseconds), a CSV page scales each column to what reads well
(`msecond`, `Kbyte`, `Gbyte/s`, `cycle/nsecond`), and the spelling of time changed between versions
(`nsecond`, later `ns`). Prefixes are decimal: ncu prints 16,384 bytes as 16.38 Kbyte.
"""

from __future__ import annotations

import functools

TIME = {
    "s": 1.0, "second": 1.0,
    "ms": 1e-3, "msecond": 1e-3,
    "us": 1e-6, "usecond": 1e-6,
    "ns": 1e-9, "nsecond": 1e-9,
}  # fmt: skip
PREFIX = {"K": 1e3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
COUNTED = ("byte", "hz", "inst", "sector", "request", "thread", "warp", "cycle", "block", "register", "pass")


@functools.cache
def base_unit(unit: str) -> tuple[float, str]:
    """What to multiply a value of `unit` by, and the unit it then has. Unknown units stay as they are."""
    numerator, slash, denominator = unit.partition("/")
    factor, base = _single(numerator)
    if not slash:
        return factor, base
    divisor, per = _single(denominator)
    return factor / divisor, f"{base}/{per}"


def _single(unit: str) -> tuple[float, str]:
    if unit in TIME:
        return TIME[unit], "s"
    for prefix, factor in PREFIX.items():
        rest = unit[len(prefix) :]
        if unit.startswith(prefix) and rest.lower().removesuffix("s") in COUNTED:
            return factor, rest.lower()
    return 1.0, "hz" if unit.lower() == "hz" else unit
