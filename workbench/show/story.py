"""What a ladder says, in one sentence."""

from __future__ import annotations

from typing import Any

import pandas as pd

from workbench.quantity import quantity
from workbench.views.rows import number_of
from workbench.views.verdicts import verdict_on


def story(timed: pd.DataFrame) -> str:
    """`timed`: rows of `views.ladder` with a time and their samples, of one operation. Names the fastest, who ties with
    it, how far it is from the baseline and from the best possible; of several devices each its own."""
    parts = []
    for device, own in timed.groupby("device", sort=False):
        rows: list[dict[str, Any]] = [
            {str(k): v for k, v in row.items()} for row in own.sort_values("time.median_s").to_dict("records")
        ]
        first, *rest = rows
        tied = [row["variant"] for row in rest if verdict_on(row, first)[0].word != "slower"]
        text = f"{first['variant']} is the fastest of {len(rows)}: {quantity(first['time.median_s'], 's')}"
        if tied:
            text = (
                f"no variant is faster beyond doubt than {first['variant']} ({quantity(first['time.median_s'], 's')}), "
            )
            text += f"and {', '.join(tied)} {'is' if len(tied) == 1 else 'are'} not slower beyond doubt"
        speedup, share = number_of(first.get("speedup_over_baseline")), number_of(first.get("share_of_limit"))
        if speedup is not None and not first.get("baseline"):
            text += f"; {quantity(speedup, 'x')} as fast as the baseline"
        if share is not None:
            text += f"; {quantity(share, '%')} of the best possible"
        parts.append(text + (f" (on {device})" if timed["device"].nunique() > 1 else ""))
    return ". ".join(parts)
