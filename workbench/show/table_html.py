"""A frame as a plain HTML table: what the first page and the report show."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.model.figures import OVER
from workbench.show.markup import Html, element
from workbench.show.tables import SCIENTIFIC, Column, table

LONG = 60
"""Characters over which a text is broken into lines instead of making the table wide."""


def as_html(frame: pd.DataFrame, columns: Sequence[str]) -> Html:
    """A table with headings that name unit and origin."""
    shown, described = table(frame, columns)
    head = element("tr", *(element("th", c.heading, title=c.help) for c in described))
    rows = ({str(k): v for k, v in record.items()} for record in shown.to_dict("records"))
    body = [element("tr", *(_cell(row[c.name], c) for c in described)) for row in rows]
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="plain")


def _cell(value: object, column: Column) -> Html:
    digits = column.digits
    if value is None or value is pd.NA or value != value:
        return element("td", "–")
    if digits is None:
        text = str(value)
        return element("td", text, class_="long") if len(text) > LONG else element("td", text)
    number = float(str(value))
    text = f"{number:.1e}" if digits == SCIENTIFIC else f"{number:,.{digits}f}"
    if column.percent and number > 100 * OVER:  # more than can be: marked, its reason stands in the row
        return element("td", f"▲ {text}", class_="number over")
    return element("td", text, class_="number")
