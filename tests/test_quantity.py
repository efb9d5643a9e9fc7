"""One way to write a figure, and nobody with another."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.quantity import PREFIXES, bound_text, quantity

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (47.2e-6, "s", "47.2 µs"), (5330.0, "s", "5,330 s"), (4.13e12, "B/s", "4.13 TB/s"), (0.69, "%", "69 %"),
        (None, "s", "–"), (math.nan, "B", "–"), (0.0, "s", "0 s"), (2.41, "x", "2.41x"), (999.9e-6, "s", "1,000 µs"),
        (6.19e-3, "s", "6.19 ms"), (2.4e9, "B", "2.4 GB"), (0.0, "B", "0 B"), (898e9, "B/s", "898 GB/s"),
        (64, "registers", "64 registers"), (1378276906, "inst", "1,378,276,906 inst"), (5e-8, "s", "50 ns"),
        (0.4835, "%", "48 %"), (0.0987, "%", "9.9 %"), (0.00032, "%", "0.032 %"), (12.345, "%", "1,234 %"),
        (0.5, "B", "0.5 B"), (1.2e15, "FLOP/s", "1.2 PFLOP/s"), (8e-8, "", "8e-08"), (math.inf, "s", "–"),
    ],
)  # fmt: skip
def test_quantities(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


@given(value=st.floats(min_value=1e-9, max_value=1e17), unit=st.sampled_from(("s", "B", "FLOP/s")))
def test_what_is_written_is_the_value(value: float, unit: str) -> None:
    number, prefixed = quantity(value, unit).split()
    factor = {prefix: factor for factor, prefix in PREFIXES}[prefixed.removesuffix(unit)]
    assert float(number.replace(",", "")) * factor == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0123, "1.3 %"), (0.01, "1 %"), (0.1001, "11 %"), (0.999, "100 %"), (2.61, "270 %"), (math.inf, "–")],
)
def test_a_bound_is_rounded_up(share: float, text: str) -> None:
    assert bound_text(share) == text


OWN_PREFIXES = re.compile(r"""\(1e-?[369], *["'][kmMµ]""")


def test_nobody_else_knows_prefixes() -> None:
    files = [*(ROOT / "workbench").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    assert {file.name for file in files if OWN_PREFIXES.search(file.read_text())} == {"quantity.py"}
