"""Why B is slower than A, in a sentence and as a table of text."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.quantity import quantity
from workbench.show.figures import figure, value_text
from workbench.show.markup import plain

COUNTED = ("measured", "simulated")
"""Origins of what was seen to differ; a declaration is what somebody says of it."""
HOLDS = ("slower", "faster")


def in_words(found: pd.DataFrame, verdict: str, backend: str, missing_counters: bool) -> str:
    """The one sentence: how much of the difference the largest accounted part takes, of counted parts where one helps.
    Only a verdict that holds has anything to explain."""
    times = found.iloc[0]
    if pd.isna(times["a"]) or pd.isna(times["b"]) or times["a"] == times["b"]:
        return "There is no difference in time to account for."
    if verdict not in HOLDS:
        return f"The verdict is {plain(verdict)}: there is no difference beyond doubt that could be explained."
    # A profiler of GPUs has nothing to say about a CPU.
    profile = " Profile both (`workbench profile RUN`) to see instructions and stalls."
    lack = profile if missing_counters and backend == "cuda" else ""
    helping = found[found["share"].notna() & (found["share"] > 0.01)]
    if helping.empty:
        return (
            "Neither bytes, launches nor products account for the difference: what differs is how well they run." + lack
        )
    counted = helping[helping["origin"].isin(COUNTED)]
    top = (helping if counted.empty else counted).sort_values("share", ascending=False).iloc[0]
    share = float(top["share"])
    amount = "more than all" if share > 1 else f"{100 * share:.0f} %"
    what = plain(top["what"])
    said = "" if top["origin"] in COUNTED else ", by what the variants declare"
    return (
        f"The difference in {what} accounts for {amount} of the difference in time at this run's ceilings{said}.{lack}"
    )


def simulated_pairs(found: pd.DataFrame) -> pd.DataFrame:
    """Rows of `simulated.side_by_side` as text, each figure with its origin."""
    ratios = [
        b / a if isinstance(a, int | float) and isinstance(b, int | float) and a else None
        for a, b in zip(found["a"], found["b"], strict=True)
    ]
    return pd.DataFrame(
        {
            "shape": found["shape"],
            "architecture": found["arch"],
            "figure": [figure(name).title for name in found["figure"]],
            "origin": [figure(name).origin for name in found["figure"]],
            "A": [value_text(name, value) for name, value in zip(found["figure"], found["a"], strict=True)],
            "B": [value_text(name, value) for name, value in zip(found["figure"], found["b"], strict=True)],
            "B ÷ A": [quantity(ratio, "x") for ratio in ratios],
        }
    )


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """`explain`'s rows as text, each figure with its unit."""

    def text(value: Any, unit: str) -> str:
        if pd.isna(value):
            return "–"
        if isinstance(value, str) or unit == "text":
            return str(value)
        return quantity(value, unit) if unit else f"{value:,.0f}"

    return pd.DataFrame(
        {
            "what": found["what"],
            "origin": found["origin"],
            "A": [text(value, unit) for value, unit in zip(found["a"], found["unit"], strict=True)],
            "B": [text(value, unit) for value, unit in zip(found["b"], found["unit"], strict=True)],
            "accounts for": [text(value, "s") for value in found["seconds"]],
            "share of difference": [text(value, "%") for value in found["share"]],
        }
    )
