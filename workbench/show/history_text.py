"""What a history says, in sentences that the command line and the page share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workbench.quantity import quantity
from workbench.views.history import Step
from workbench.views.shapes import shape_text

HEADINGS = ("date", "commit", "run", "time", "95 % interval", "level")


def title_of(row: pd.Series[Any]) -> str:
    """What a series is of: variant, shape, and where."""
    where = row["device"] + (f" of {row['host']}" if row["host"] else "")
    pass_ = "" if row["pass"] == "forward" else f" {row['pass']}"
    return f"{row['operation']}/{row['variant']}{pass_}  {shape_text(row['shape'])}  on {where}"


def rows(own: pd.DataFrame) -> list[tuple[str, ...]]:
    """A row per point of one series, under HEADINGS."""
    return [
        (
            str(row["created"])[:10],
            row["commit"] or "–",
            row["run"],
            quantity(row["time.median_s"], "s") + (" disturbed" if row["disturbed"] is True else ""),
            f"{quantity(row['time.low_s'], 's')} – {quantity(row['time.high_s'], 's')}",
            quantity(row["level"], "s"),
        )
        for row in ({str(k): v for k, v in row.items()} for row in own.to_dict("records"))
    ]


def step_text(step: Step) -> str:
    """One step: when, by how much, how sure, and what else is different."""
    at = step.after["commit"] or step.after["run"]
    before = step.before["commit"] or step.before["run"]
    seen = f"held for {step.runs} runs" if step.runs > 1 else "seen in one run: sweep again to be sure"
    changed = f"; different since: {', '.join(step.changed)}" if step.changed else "; nothing recorded is different"
    date = str(step.after["created"])[:10] + (f" on {step.after['host']}" if step.after["host"] else "")
    return (
        f"{date}: {step.word}, {step.ratio:.3f} [{step.low:.3f}, {step.high:.3f}] times the "
        f"level before, between {before} and {at} ({seen}{changed})"
    )


def summary(found: pd.DataFrame, steps: Sequence[Step]) -> str:
    """What there is, in one line."""
    runs, hosts = found["run"].nunique(), found["host"].nunique()
    words = f"{runs} run{'s' * (runs != 1)} on {hosts} host{'s' * (hosts != 1)}"
    if not steps:
        return f"{words}: no step found"
    return f"{words}: {len(steps)} step{'s' * (len(steps) > 1)} found"
