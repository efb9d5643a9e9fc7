"""The ladder: the variants of an operation from naive to best, with what each rung moved.

Rows come from records; `modelled.py` has the ladder of a device that was never measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from workbench.declare import FORWARD, variant_key
from workbench.model.figures import with_speedups
from workbench.model.rungs import LAST, Rung, stale
from workbench.views.best import PROBLEM, best_settings
from workbench.views.flat import with_columns

COMPARABLE = (*PROBLEM, "time.timer", "time.cache")
"""Times are compared only where all of these agree; two timers never are."""


def ladder(records: pd.DataFrame, known: Mapping[str, Rung]) -> pd.DataFrame:
    """One row per variant (its best setting), operation by operation, shape by shape, in rung order.

    `rung`, `idea` and `baseline` are the run's own, or today's catalogue's (`known`) where it has none. Adds `stale`
    (whether the variant is made from something else today), the build's facts of the kernel that limits it, and the
    speed-up over the baseline with its 95 % interval, which is missing where the baseline has no time by the same
    timer on the same device.
    """
    rows = best_settings(with_columns(records)).copy()
    names = map(variant_key, rows["operation"], rows["variant"], rows["pass"])
    today = [known.get(name, Rung(LAST, "", False)) for name in names]
    for name in ("rung", "idea", "baseline"):
        pairs = zip(rows[name], today, strict=True)
        rows[name] = [getattr(place, name) if pd.isna(own) else own for own, place in pairs]
    rows["stale"] = stale(rows, known)
    rows = with_speedups(rows, (*COMPARABLE, *(["run"] if "run" in rows else [])))
    facts = pd.DataFrame([build_summary(text) for text in rows["build"]], index=rows.index, columns=BUILD_COLUMNS)
    rows = pd.concat([rows, facts], axis=1)
    order = {name: place for place, name in enumerate(dict.fromkeys(key.partition("/")[0] for key in known))}
    rows["_operation"] = rows["operation"].map(order).fillna(len(order))
    rows["_later"] = rows["pass"] != FORWARD
    order_by = ["_operation", "operation", "_later", "pass", "shape", "device", "rung", "variant"]
    rows = rows.sort_values(order_by, kind="stable")
    return rows.drop(columns=["_operation", "_later"]).reset_index(drop=True)


BUILD_COLUMNS = ("arch", "registers", "shared_bytes", "spill_bytes", "occupancy_theoretical", "occupancy_limiter")


def build_summary(text: str | None) -> tuple[Any, ...]:
    """Of a record's build facts, those of the kernel with the lowest theoretical occupancy on its first architecture,
    in the order of BUILD_COLUMNS; all None where nothing was built."""
    facts = json.loads(text) if isinstance(text, str) else []
    if not facts:
        return (None,) * len(BUILD_COLUMNS)
    first = [fact for fact in facts if fact["arch"] == facts[0]["arch"]]

    def occupancy(fact: dict[str, Any]) -> float:
        value = fact.get("occupancy_theoretical")
        return 2.0 if value is None else float(value)

    worst = min(first, key=occupancy)
    return tuple(worst.get(name) for name in BUILD_COLUMNS)
