"""A frame as a plain HTML table: what the first page and the report show."""

from __future__ import annotations

import html
from collections.abc import Sequence

import pandas as pd

from workbench.analyse.describe import SCIENTIFIC, table

LONG = 60
"""Characters over which a text is broken into lines instead of making the table wide."""


def as_html(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    """A table with headings that name unit and origin."""
    shown, described = table(frame, columns)
    head = "".join(f"<th title='{html.escape(c.help, quote=True)}'>{html.escape(c.heading)}</th>" for c in described)
    body = "".join(
        "<tr>" + "".join(_cell(row[c.name], c.digits) for c in described) + "</tr>"
        for row in ({str(k): v for k, v in record.items()} for record in shown.to_dict("records"))
    )
    return f"<div class='plain'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(value: object, digits: int | None) -> str:
    if value is None or value is pd.NA or value != value:
        return "<td>–</td>"
    if digits is None:
        text = str(value)
        return f"<td{' class=long' if len(text) > LONG else ''}>{html.escape(text)}</td>"
    number = float(str(value))
    return f"<td class='number'>{f'{number:.1e}' if digits == SCIENTIFIC else f'{number:,.{digits}f}'}</td>"
