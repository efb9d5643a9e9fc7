"""What an ablation says, in sentences that the command line and the page share."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.quantity import quantity


def summary(alone: pd.DataFrame) -> str:
    """The factor that matters most, in one line."""
    if alone.empty:
        return "no two variants of a run differ in one factor alone"
    decided = alone[alone["verdict"].isin(("faster", "slower"))]
    factors = alone["factor"].nunique()
    count = f"{factors} factor{'s' * (factors != 1)}, {int(alone['pairs'].sum())} pairs"
    if decided.empty:
        return f"{count}: none makes a difference beyond doubt"
    most = max(decided.to_dict("records"), key=lambda row: max(row["effect"], 1 / row["effect"]))
    faster = most["effect"] < 1
    word = f"{quantity(1 / most['effect'], 'x')} as fast" if faster else f"{quantity(most['effect'], 'x')} the time"
    return f"{count}: most of all {most['factor']}, {most['from']} → {most['to']}: {word}"


def lone(names: Sequence[str]) -> str:
    """Which variants stand in no pair, and why; empty where all do."""
    if not names:
        return ""
    return (
        f"{', '.join(names)}: in no pair, for every other variant differs in two factors or more, or in none declared"
    )
