"""Frames as tables: figures of the registry in the unit that suits a column, under headings with unit and origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.quantity import prefix_of, quantity
from workbench.show.figures import Figure, figure, heading, value_text, with_derived
from workbench.views.shapes import aligned_texts, shape_text

UNITS_OF_CEILINGS = (
    ("bytes_per_s_", "B/s"),
    ("flops_per_s_", "FLOP/s"),
    ("exp_", "exp/s"),
    ("per_s_", "/s"),
    ("_s_", "s"),
)


def ceiling_text(name: str, value: float) -> str:
    """A ceiling with the unit that its name holds: `exp_per_s` counts exponentials, `launch_s` is a time; a suffix such
    as `_bfloat16` names the dtype."""
    return quantity(value, next((unit for part, unit in UNITS_OF_CEILINGS if part in f"{name}_"), ""))


@dataclass(frozen=True)
class Column:
    """One column of a table that is ready to be shown."""

    name: str
    heading: str
    help: str
    digits: int | None
    """Digits behind the point; None for text, SCIENTIFIC for figures as small as 8e-8."""
    percent: bool = False


def table(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, list[Column]]:
    """The named columns in the unit that suits them, under headings such as `time µs · measured`.

    Columns that a frame lacks, or in which all is missing, are left out: a missing figure is no column of zeros.
    """
    frame = with_derived(frame, columns)
    shown: dict[str, Any] = {}
    described: list[Column] = []
    for name in columns:
        if name not in frame.columns or (len(frame) and frame[name].isna().all()):
            continue
        entry = figure(name)
        values = frame[name]
        if entry.text is not None:
            shown[name] = pd.Series(_texts(name, values), frame.index, dtype="object")
            described.append(Column(name, heading(name), _help(entry), None))
            continue
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            numbers = pd.to_numeric(values, errors="coerce") if entry.unit else values
            if numbers.isna().sum() != values.isna().sum() or not entry.unit:
                shown[name] = values.astype("object").where(values.notna(), None)
                described.append(Column(name, heading(name), _help(entry), None))
                continue
            values = numbers
        plain = values.to_numpy("float64", na_value=np.nan)
        factor, prefix = (0.01, "") if entry.unit == "%" else prefix_of(plain[~np.isnan(plain)].tolist(), entry.unit)
        plain = plain / factor
        if _digits(plain) == 0:  # three figures are told apart by no digit behind the point
            plain = plain.round()
        shown[name], digits = plain, _digits(plain)
        described.append(Column(name, heading(name, prefix), _help(entry), digits, entry.unit == "%"))
    return pd.DataFrame(shown, index=frame.index), described


def _texts(name: str, values: pd.Series[Any]) -> list[str]:
    """The texts of a column; those of shapes so that a table which sorts them as texts sorts them by their sizes."""
    if figure(name).text is shape_text and all(isinstance(value, str) for value in values):
        return aligned_texts(values)
    return [value_text(name, value) for value in values]


SCIENTIFIC = -1
"""Digits of a column whose figures are too small for a fixed point: 8e-8."""


def _help(entry: Figure) -> str:
    return "; ".join(filter(None, (entry.origin, entry.meaning)))


def _digits(values: NDArray[np.float64]) -> int:
    """Digits behind the point that keep three figures of the median that is not zero, and two of the least as far as
    two digits go; none for whole numbers."""
    known = np.abs(values)
    known = known[known > 0]
    if not known.size or (known == known.round()).all():
        return 0
    middle, smallest = float(np.median(known)), float(known.min())
    for digits, least in enumerate((100, 10, 1, 0.1, 0.01, 0.001)):
        if middle >= least:
            return max(digits, 0 if smallest >= 10 else 1 if smallest >= 1 else 2)
    return SCIENTIFIC
